"""The schemes that run as built-in kernels, each in a module of its own."""
from firmware.schemes.fault_retry import FAULT_RETRY
from firmware.schemes.naive import NAIVE
from firmware.schemes.no_promote import NO_PROMOTE
from firmware.schemes.scheme import Scheme

SCHEMES: tuple[Scheme, ...] = (NAIVE, NO_PROMOTE, FAULT_RETRY)

__all__ = ["SCHEMES", "Scheme"]
