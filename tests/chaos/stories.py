"""What stories are made of: wishes, the faults that lie in wait for them, and the time between two steps."""

import json

from hypothesis import strategies as st

from kis.models import Side
from tests.chaos.matrix_cases import CONNECT, POSTS, READS

FORMS = sorted(
    {
        (form.id, one.name, json.dumps(one.how), one.line)
        for rows in (CONNECT, POSTS)
        for forms in rows.values()
        for form in forms
        for one in form.plants
        if one.name != "dns" and not form.tls and "late" not in form.what and not form.what.startswith("booked")
    }
)
LIST_FAULTS = sorted(
    {(read.id, one.name, json.dumps(one.how)) for read in READS.values() for one in read.plants if read.id != "Q8"}
)
Form = tuple[str, str, str, bool]
Wish = tuple[int, Side, bool, bool]
FAULTS = st.lists(st.sampled_from(FORMS), max_size=2)
LATENESS = st.sampled_from((0.0, 0.0, 0.0, 3.0, 30.0, 90.0))
WISHES = st.tuples(st.integers(0, 2), st.sampled_from(Side), st.booleans(), st.booleans())
"""Which stock, which way, at the market, and if not, near to it."""
SECONDS = st.sampled_from((0.05, 0.5, 2.0, 5.0, 11.0, 40.0, 190.0))
