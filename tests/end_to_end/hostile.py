# Recomputes kernel `hostile` over START..END with exact fractions, and compares the report on
# standard input: every number must be the nearest double. Prints the differences.
import json
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 400
getcontext().Emax = 10**6
getcontext().Emin = -(10**6)


def row(p):
    scale = 1.0 + (p // 8 * 2654435761 % 2**32) / 2.0**33
    return [
        (1e308 * scale, 1e308 * scale),
        (-1e308 * scale, -1e308 * scale),
        (1e16 * scale, 1e-300 * scale),
        (-1e16 * scale, -1e-300 * scale),
        (1e-308 * scale, 1e-310 * scale),
        (5e-324, 5e-324),
        (scale / 3.0, 3e-317),
        (-0.1, -1e-312),
    ][p % 8]


def statistics(values, start):
    total = sum(map(Fraction, values))
    squares = sum(Fraction(v) ** 2 for v in values)
    mean = total / len(values)
    variance = squares / len(values) - mean**2
    deviation = (Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt()
    return {
        "count": len(values),
        "sum": float(total),
        "mean": float(mean),
        "min": min(values),
        "argmin": start + values.index(min(values)),
        "max": max(values),
        "argmax": start + values.index(max(values)),
        "stddev": float(deviation),
    }


start, end = map(int, sys.argv[1:])
report = json.load(sys.stdin)
columns = dict(zip(("wild", "tiny"), zip(*map(row, range(start, end)))))
for name, values in columns.items():
    expected, found = statistics(values, start), report["columns"][name]
    for key in expected.keys() | found.keys():
        if expected.get(key) != found.get(key):
            print(f"{name}.{key}: {found.get(key)!r}, not {expected.get(key)!r}")
if report["result"] != report["columns"]["wild"]:
    print("the result is not the first column")
