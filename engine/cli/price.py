"""`tailfin price [AMOUNT]`: what an hour of this box costs, for all that is told of money.

With --json `data` holds per_hour (null where none was entered), currency, and kept_in.
"""

from __future__ import annotations

import argparse
import os

from engine.cli.output import print_json
from engine.errors import EXIT_DONE, TailfinError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("amount", nargs="?", help="price of an hour, such as 1.89")
    parser.add_argument("--currency", default="$", help="sign or word for amounts (default: $)")
    parser.add_argument("--clear", action="store_true", help="forget the price")


def run(args: argparse.Namespace) -> int:
    from engine.cost.price import forget_price, parse_price, price_file, read_price, save_price

    if args.clear and args.amount:
        raise TailfinError("A price was given together with --clear.", "Give one of them.")
    if args.clear:
        said = "The price is forgotten." if forget_price() else "No price was kept."
        price = read_price()
    elif args.amount:
        price = parse_price(args.amount, args.currency)
        said = f"An hour of this box costs {price.amount(price.per_hour)}; kept in "
        said += f"{save_price(price)}."
    else:
        price = read_price()
        said = "No price was entered: tailfin price 1.89"
        if price is not None:
            said = f"An hour of this box costs {price.amount(price.per_hour)}."
    if args.json:
        data = {
            "per_hour": price.per_hour if price else None,
            "currency": price.currency if price else None,
            "kept_in": str(price_file(os.environ)),
        }
        print_json("price", ok=True, data=data)
    else:
        print(said)
    return EXIT_DONE
