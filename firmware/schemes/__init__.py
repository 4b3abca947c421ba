"""The schemes that run as built-in kernels, each in a module of its own."""
from firmware.schemes.abstention import ABSTENTION
from firmware.schemes.assert_only import ASSERT_ONLY
from firmware.schemes.bbm2 import BBM2
from firmware.schemes.bbm2_no_abort import BBM2_NO_ABORT
from firmware.schemes.curthread_register import CURTHREAD_REGISTER
from firmware.schemes.dedicated_vector import DEDICATED_VECTOR
from firmware.schemes.direct_map import DIRECT_MAP
from firmware.schemes.fault_retry import FAULT_RETRY
from firmware.schemes.flagged_run import FLAGGED_RUN
from firmware.schemes.idmap_park import IDMAP_PARK
from firmware.schemes.machdep_page import MACHDEP_PAGE
from firmware.schemes.naive import NAIVE
from firmware.schemes.no_promote import NO_PROMOTE
from firmware.schemes.nt import NT
from firmware.schemes.own_block import OWN_BLOCK
from firmware.schemes.permanent_region import PERMANENT_REGION
from firmware.schemes.pte_flag import PTE_FLAG
from firmware.schemes.rendezvous_park import RENDEZVOUS_PARK
from firmware.schemes.robust_linux import ROBUST_LINUX
from firmware.schemes.robust_sel4 import ROBUST_SEL4
from firmware.schemes.robust_xnu import ROBUST_XNU
from firmware.schemes.scheme import Scheme
from firmware.schemes.shadow_tables import SHADOW_TABLES

SCHEMES: tuple[Scheme, ...] = (
    NAIVE, OWN_BLOCK, ASSERT_ONLY, PERMANENT_REGION, RENDEZVOUS_PARK, DEDICATED_VECTOR, PTE_FLAG, MACHDEP_PAGE,
    FLAGGED_RUN, NO_PROMOTE, FAULT_RETRY, DIRECT_MAP, ABSTENTION, NT, BBM2, BBM2_NO_ABORT, IDMAP_PARK, SHADOW_TABLES,
    ROBUST_LINUX, ROBUST_XNU, ROBUST_SEL4, CURTHREAD_REGISTER,
)

__all__ = ["SCHEMES", "Scheme"]
