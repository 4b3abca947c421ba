"""An instance of ours: what is called rarely, and so would be found wanting late."""
from sim.engine.instance import Instance
from sim.state.arrays import State


def test_translations_can_be_dropped_from_outside() -> None:
    state = State(1, 1 << 20, l1i=4, l1d=4, l2=(4, 2), walk_cache=(2, 2))
    Instance(state, 0).flush_code()
