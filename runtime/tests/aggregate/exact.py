"""Reads columns, one a line, of doubles as hexadecimal bits. Prints of each, in the same form, the
sum, mean, variance and standard deviation, each rounded once from exact numbers."""
import decimal
import math
import struct
import sys
from fractions import Fraction

# The square of a midpoint between two doubles has at most 1600 digits, and a variance that is not
# such a square differs from it before as many: rounding to 2000 digits decides no case.
decimal.setcontext(decimal.Context(prec=2000, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN))


def nearest(exact):
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def total(column):
    try:
        return math.fsum(column)
    except OverflowError:  # of an intermediate sum
        return nearest(sum(map(Fraction, column)))


def root(exact):
    return nearest((decimal.Decimal(exact.numerator) / exact.denominator).sqrt())


def statistics(column):
    exact = [Fraction(value) for value in column]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    return total(column), nearest(mean), nearest(variance), root(variance)


for line in sys.stdin.read().splitlines():
    column = [struct.unpack(">d", bytes.fromhex(bits))[0] for bits in line.split()]
    # + 0.0: what rounds to -0.0 counts as 0.0.
    print(*(struct.pack(">d", value + 0.0).hex() for value in statistics(column)))
