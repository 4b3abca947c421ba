"""What a user can choose of a machine, checked in one place."""
from dataclasses import dataclass

from sim.arch.memory_map import GICR_HIGH_PA, PAGE_BYTES, PES_MAX, RAM_DEFAULT_BYTES, RAM_PA
from sim.errors import UserError
from sim.state.events import BY_NAME, KINDS

INTERLEAVINGS = ("block", "quantum", "instruction")
#: Fidelity names of the architecture: which interleaving each stands for.
FIDELITIES = {"fast": "quantum", "timed": "block", "exact": "instruction"}
STARTS = ("one", "all")
#: What an access gets when two TLB entries that disagree answer for it, by number (`sim.state.dtypes`, MULTI_HIT_*); see `sim.hot.multi_hit`.
MULTI_HITS = ("abort", "old", "new", "amalgamation", "seeded")
#: Those that each level of FEAT_BBM permits. "seeded" chooses among the others.
MULTI_HITS_PERMITTED = {0: MULTI_HITS, 1: ("abort", "old", "new", "seeded"), 2: ("abort", "old", "new", "seeded"), 3: ("old", "new", "seeded")}
BBM_LEVEL_MOST = 3
QUANTUM_DEFAULT_CYCLES = 1024
BUDGET_DEFAULT_CYCLES = 500_000_000
RAM_LEAST_BYTES = 1 << 20
PERIOD_MOST_CYCLES = 1 << 40            # of periodic injection


@dataclass(frozen=True)
class Settings:
    """Settings of one machine. Raises UserError for values that make no sense, alone or together."""

    pes: int = 1
    ram_bytes: int = RAM_DEFAULT_BYTES
    interleaving: str = "block"             # INTERLEAVINGS, or a name of FIDELITIES
    quantum_cycles: int | None = None       # of interleaving "quantum" only; None = QUANTUM_DEFAULT_CYCLES
    seed: int = 0
    start: str = "one"                      # "one": PE 0 runs and the others are off until PSCI CPU_ON; "all": every PE starts at the entry
    bootargs: str | None = None
    events: tuple[str, ...] | None = None   # kinds of event to record; None = all
    semihosting: bool = True
    recursion_limit: int = 1000             # nested synchronous entries with the same syndrome and ELR before the verdict
    livelock_limit: int = 1000              # identical entries inside the vector table before the verdict
    feat_bbm: int | None = None             # level of FEAT_BBM, 0 to 3; None = the profile's
    multi_hit: str | None = None            # MULTI_HITS; None = "abort", at FEAT_BBM level 3 "new"
    nt_faults: bool = False                 # an access through a block descriptor with nT = 1 takes a translation fault (FEAT_BBM 1 and above)
    adversarial: bool = False               # what only barriers guarantee comes late: `sim.hot.hidden_stores`, `own_tlbi`, `speculation`
    repeat_tlbi_erratum: bool = False       # see `sim.hot.residue`
    strict_ttl: bool = False                # FEAT_TTL, and TLBIs drop nothing of another level than their hint's: `sim.hot.tlbi`
    run_ahead: bool = True                  # block interleaving: PEs run ahead of each other where nobody can tell: `sim.hot.turn`
    skip_waiting: bool = True               # PEs that wait in a loop for what nobody stores sleep: `sim.hot.spin`
    coherence: bool | None = None           # lines that travel between PEs cost time: `sim.hot.coherence`; None = not with a quantum

    def __post_init__(self) -> None:
        object.__setattr__(self, "interleaving", FIDELITIES.get(self.interleaving, self.interleaving))
        _check_range("number of PEs", self.pes, 1, PES_MAX)
        if self.ram_bytes < RAM_LEAST_BYTES or self.ram_bytes % PAGE_BYTES or RAM_PA + self.ram_bytes > GICR_HIGH_PA:
            raise UserError(f"RAM size {self.ram_bytes} bytes: it must be a multiple of {PAGE_BYTES} from 1 MiB to 255 GiB")
        if self.interleaving not in INTERLEAVINGS:
            raise UserError(f"unknown interleaving {self.interleaving!r}: choose {', '.join(INTERLEAVINGS)} or {', '.join(FIDELITIES)}")
        if self.start not in STARTS:
            raise UserError(f"unknown start {self.start!r}: choose {' or '.join(STARTS)}")
        if self.quantum_cycles is not None and self.interleaving != "quantum":
            raise UserError(f"a quantum of {self.quantum_cycles} cycles contradicts interleaving {self.interleaving!r}: it needs 'quantum'")
        if self.interleaving == "quantum":
            quantum_cycles = QUANTUM_DEFAULT_CYCLES if self.quantum_cycles is None else self.quantum_cycles
            object.__setattr__(self, "quantum_cycles", quantum_cycles)
            _check_range("quantum in cycles", quantum_cycles, 1, 1 << 40)
        if self.coherence and self.interleaving == "quantum":
            raise UserError("coherence needs accesses in the order of their cycles, which interleaving 'quantum' does not keep")
        _check_range("seed", self.seed, 0, (1 << 64) - 1)
        _check_range("recursion limit", self.recursion_limit, 2, 1 << 32)
        _check_range("livelock limit", self.livelock_limit, 2, 1 << 32)
        if self.feat_bbm is not None:
            _check_range("FEAT_BBM level", self.feat_bbm, 0, BBM_LEVEL_MOST)
        if self.multi_hit is not None and self.multi_hit not in MULTI_HITS:
            raise UserError(f"unknown multi-hit outcome {self.multi_hit!r}: choose {', '.join(MULTI_HITS)}")
        for name in self.events or ():
            if name not in BY_NAME:
                raise UserError(f"unknown kind of event {name!r}: there are {', '.join(BY_NAME)}")

    def bbm_level(self, profile_level: int) -> int:
        """The machine's level of FEAT_BBM. Raises UserError if what was asked for needs another one."""
        level = profile_level if self.feat_bbm is None else self.feat_bbm
        permitted = MULTI_HITS_PERMITTED[level]
        if self.multi_hit is not None and self.multi_hit not in permitted:
            raise UserError(f"multi-hit outcome {self.multi_hit!r} is not permitted at FEAT_BBM level {level}: choose {', '.join(permitted)}")
        if self.nt_faults and level == 0:
            raise UserError("nt_faults needs FEAT_BBM level 1 or above: at level 0 the nT bit is reserved")
        return level

    def multi_hit_number(self, profile_level: int) -> int:
        """Index into MULTI_HITS of the outcome that holds. Raises UserError as `bbm_level`."""
        level = self.bbm_level(profile_level)
        return MULTI_HITS.index(self.multi_hit or ("new" if level == BBM_LEVEL_MOST else "abort"))

    @property
    def has_coherence(self) -> bool:
        """Whether lines that travel between PEs cost time."""
        return self.interleaving != "quantum" if self.coherence is None else self.coherence

    def summary(self, profile_level: int) -> dict[str, int | str | bool | None]:
        """What a result says of the settings, beside profile and image."""
        return {
            "pes": self.pes, "interleaving": self.interleaving, "quantum_cycles": self.quantum_cycles, "seed": self.seed,
            "feat_bbm": self.bbm_level(profile_level), "multi_hit": MULTI_HITS[self.multi_hit_number(profile_level)],
            "nt_faults": self.nt_faults, "repeat_tlbi_erratum": self.repeat_tlbi_erratum,
            "strict_ttl": self.strict_ttl, "coherence": self.has_coherence,
        }

    @property
    def event_mask(self) -> int:
        """One bit for each kind of event that is recorded. Console text and marks always are: the result is made of them."""
        if self.events is None:
            return (1 << len(KINDS)) - 1
        always = ("console", "mark")
        return sum(1 << BY_NAME[name].number for name in {*self.events, *always})


def _check_range(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UserError(f"{what} {value} is outside {least}..{most}")
