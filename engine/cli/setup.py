"""`tailfin setup`: installs the training stack into this Python, reusing a torch that works."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from engine.cli.output import note, print_json
from engine.findings import Finding
from engine.setup.driver import has_nvidia_gpu, kernel_driver
from engine.setup.install import Install, run_installs
from engine.setup.installed import installed, required_name
from engine.setup.interpreter import check_can_install, this_interpreter
from engine.setup.plan import Box, TorchPlan, plan_for_this_interpreter
from engine.setup.requirements import pins, pins_beside_torch, requirements, torch_pin
from engine.setup.torch_build import TorchBuild, find_torch, works_on_gpu


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the plan, install nothing")
    parser.add_argument("--torch-index", default="", help="index to take torch from")
    parser.add_argument(
        "--replace-torch", action="store_true", help="install the tested torch over the one here"
    )


def run(args: argparse.Namespace) -> int:
    check_can_install(this_interpreter(), os.environ)
    build = find_torch()
    box = Box(has_nvidia_gpu(), kernel_driver())
    plan = plan_for_this_interpreter(
        build,
        box,
        works_on_gpu,
        torch_index=args.torch_index,
        replace_torch=args.replace_torch,
    )
    installs = plan_installs(plan, build, args.torch_index)
    commands = [install.text(sys.executable) for install in installs]
    for line in (plan.reason, *commands):
        note(f"setup: {line}")
    findings = []
    if args.dry_run:
        note("setup: dry run, nothing was installed")
    else:
        run_installs(installs, cwd=Path.home() if Path.home().is_dir() else Path("/"))
        findings.append(_result(box))
        note(f"setup: {findings[0].message}")
    ok = all(finding.severity != "fail" for finding in findings)
    if args.json:
        data = {
            "python": sys.executable,
            "torch": plan.action,
            "reason": plan.reason,
            "commands": commands,
            "installed": not args.dry_run,
        }
        print_json("setup", ok=ok, data=data, findings=findings)
    return 0 if ok else 1


def plan_installs(plan: TorchPlan, build: TorchBuild | None, torch_index: str) -> list[Install]:
    """The pip calls of a plan: torch where it changes, then the rest of the training stack."""
    stack = requirements("train")
    others = tuple(line for line in stack if required_name(line) != "torch")
    if plan.action == "keep" and build is not None:
        return [Install(others, tuple(pins_beside_torch(pins(), build.version, installed())))]
    options = ("--force-reinstall", "--no-deps") if plan.replace else ()
    torch = Install((torch_pin(),), () if options else tuple(pins()), torch_index, options)
    return [torch, Install((torch_pin(), *others), tuple(pins()))]


def _result(box: Box) -> Finding:
    build = find_torch()
    if build is None:
        return Finding("setup.torch", "fail", "torch cannot be found after the installation.")
    if not box.has_gpu:
        message = f"the training stack is complete: torch {build.label}, no GPU on this box"
        return Finding("setup.torch", "ok", message)
    if works_on_gpu():
        message = f"the training stack is complete: torch {build.label} ran a kernel on the GPU"
        return Finding("setup.torch", "ok", message)
    message = f"torch {build.label} was installed but did not run a kernel on the GPU"
    return Finding("setup.torch", "fail", message, "Run: tailfin doctor")
