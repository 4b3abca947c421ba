"""`quiesce profiles`: which cores are built in, and whether a profile of one's own is complete and consistent."""
from sim.cli_terminal import print_named
from sim.errors import UserError
from sim.timing.profile import check_profile, load_profile, profile_names


def print_profiles() -> int:
    """One line for each built-in profile."""
    print_named((name, load_profile(name).description) for name in profile_names())
    return 0


def print_check(name_or_path: str) -> int:
    """Say that a profile is right. Raises UserError with a line for each mistake if it is not."""
    if wrong := check_profile(name_or_path):
        raise UserError("\n".join(wrong))
    print(f"{name_or_path} is complete and consistent")
    return 0
