"""`tailfin setup`: installs the training stack into this Python, reusing a torch that works."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from engine.cli.output import note, print_json
from engine.errors import TailfinError
from engine.findings import Finding
from engine.setup.here import this_box
from engine.setup.install import Install, run_installs
from engine.setup.installed import installed, required_name
from engine.setup.interpreter import check_can_install, may_break_system, this_interpreter
from engine.setup.plan import TorchPlan, plan_for_this_interpreter
from engine.setup.requirements import pins, pins_beside_torch, requirements, torch_pin
from engine.setup.solver import Box, dotted, known_cuda, read_cuda
from engine.setup.torch_build import TorchBuild, find_torch, works_on_gpu
from engine.setup.torch_install import pins_for, torch_installs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the plan, install nothing")
    parser.add_argument(
        "--cuda", default="", metavar="X.Y", help="take the torch built for this CUDA, as 12.8"
    )
    parser.add_argument(
        "--replace-torch", action="store_true", help="install a torch that fits over the one here"
    )
    parser.add_argument("--torch-index", default="", help="index (a mirror) to take torch from")


def run(args: argparse.Namespace) -> int:
    check_can_install(this_interpreter(), os.environ)
    tested = torch_pin().partition("==")[2]
    cuda = asked_cuda(args.cuda, tested)
    build = find_torch()
    box = this_box()
    plan = plan_for_this_interpreter(
        build,
        box,
        works_on_gpu,
        tested=tested,
        torch_index=args.torch_index,
        cuda=cuda,
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
            "fit": _told(plan),
            "commands": commands,
            "installed": not args.dry_run,
        }
        print_json("setup", ok=ok, data=data, findings=findings)
    return 0 if ok else 1


def asked_cuda(text: str, tested: str) -> tuple[int, int] | None:
    """The CUDA release of `--cuda`; TailfinError where no torch in question is built for it."""
    if not text:
        return None
    cuda, known = read_cuda(text), known_cuda(tested)
    if cuda in known:
        return cuda
    raise TailfinError(
        f"--cuda {text}: no torch up to {tested} is built for it.",
        f"Take one of {', '.join(map(dotted, known))}, or leave it out: setup finds what fits.",
        where="--cuda",
        error_id="setup.cuda-unknown",
    )


def plan_installs(plan: TorchPlan, build: TorchBuild | None, torch_index: str) -> list[Install]:
    """The calls of a plan: torch where it changes, then the rest of the training stack."""
    stack, known = requirements("train"), installed()
    others = tuple(line for line in stack if required_name(line) != "torch")
    if plan.action == "keep" and build is not None:
        return [Install(others, tuple(pins_beside_torch(pins(), build.version, known)))]
    first = torch_installs(
        plan,
        pins(),
        torch_pin(),
        known,
        torch_index=torch_index,
        break_system=may_break_system(os.environ),
    )
    torch = torch_pin() if plan.fit is None else f"torch=={plan.fit.torch}"
    return [*first, Install((torch, *others), pins_for(plan.fit, pins(), torch_pin(), known))]


def _told(plan: TorchPlan) -> dict[str, object] | None:
    """The solver's answer for JSON."""
    fit = plan.fit
    if fit is None:
        return None
    return {
        "torch": fit.torch,
        "cuda": dotted(fit.cuda),
        "bitsandbytes": fit.bitsandbytes,
        "reason": fit.reason,
    }


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
    return Finding("setup.torch", "fail", message, "Run: tailfin doctor --deep")
