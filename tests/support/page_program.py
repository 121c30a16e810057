"""Programs of tests in TypeScript, made into one file that Node.js runs."""

import json
import subprocess
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tcclient" / "web"
PAGE = Path(__file__).parents[2] / "tcclient" / "web"
BUNDLE = """
import {{ build }} from "esbuild";
await build({{
  entryPoints: [{source}], outfile: {program}, bundle: true, platform: "node", format: "esm", logLevel: "warning",
}});
"""


def bundled(name: str, place: Path) -> Path:
    """Bundle ``tests/tcclient/web/NAME.ts`` with what it imports into a file in ``place``, and return its path."""
    program = place / f"{name}.mjs"
    script = BUNDLE.format(source=json.dumps(str(TESTS / f"{name}.ts")), program=json.dumps(str(program)))
    subprocess.run(["node", "--input-type=module", "--eval", script], cwd=PAGE, check=True)
    return program
