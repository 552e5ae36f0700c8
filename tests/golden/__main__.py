"""`python -m tests.golden [name …]`: play the scripts and write the files anew."""

import sys

from tests.golden.files import FILES, REASONS, codes_reached, write

for name in sys.argv[1:] or FILES:
    for path in write(name):
        sys.stdout.write(f"{path.name}: {len(path.read_text(encoding='utf-8').splitlines())} lines\n")
reached = codes_reached()
sys.stdout.write(f"reached {len(reached)} of {len(REASONS)} reasons; not: {' '.join(sorted(set(REASONS) - reached))}\n")
