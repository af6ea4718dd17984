#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documentation says is so: examples load, examples print what is pasted, keys, metrics, options and links exist."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import keys
import markdown
from markdown import DOCS, ROOT

MACHINES = ROOT / "tests" / "machines"
MACHINE = "tests/machines/tenstorrent-4x-n300.tar.zst"
DESCRIPTOR = MACHINES / "cluster-descriptors" / "t3k_cluster_desc.yaml"
INFOS = {"toml", "toml fragment", "console", "sh", "yaml", "json", "text", "promql"}
MOST_FRAGMENTS = 6
EXAMPLES = ROOT / "docs" / "examples"
WRONG_ON_PURPOSE = EXAMPLES / "mistakes.toml"
WRONG_FILES = [WRONG_ON_PURPOSE, EXAMPLES / "add-a-vendor" / "slip.toml"]


def binary():
    path = os.environ.get("CLEAVE_BIN", str(ROOT / "build" / "release" / "cleave"))
    if os.access(path, os.X_OK):
        return path
    if os.environ.get("CI", "").lower() == "true":
        raise AssertionError(f"the program {path} is missing, and CI=true")
    raise unittest.SkipTest(f"the program {path} is missing")


def run(*arguments, stderr=subprocess.STDOUT):
    """Standard output and error together, as a terminal shows them."""
    result = subprocess.run([binary(), *map(str, arguments)], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=stderr)
    return result.returncode, result.stdout


def page_of(profile):
    """The documentation of a profile's vendor; the first vendor's is older than docs/vendors."""
    page = ROOT / "docs/vendors" / f"{profile}.md"
    return page if page.exists() else ROOT / "docs" / f"{profile}.md"


class WithProgram(unittest.TestCase):
    def setUp(self):
        binary()


class Pictures(WithProgram):
    def test_are_what_is_drawn_now(self):
        for name, machine in {"t3000": MACHINE, "vector-engine": MACHINES / "nec-ve8-skx.tar.zst"}.items():
            code, out = run("topology", "--svg", "--config", EXAMPLES / f"{name}.toml", "--root", machine)
            self.assertEqual(code, 0, out)
            self.assertEqual(out, (ROOT / "docs" / "images" / f"{name}.svg").read_text(),
                             f"draw it again: cleave topology --svg ... > docs/images/{name}.svg")


class Toml(WithProgram):
    def check(self, what, *arguments):
        # Without notes: an example is for cards of all kinds.
        code, out = run("check", "--output", "json", "--node-name", "gpu-a-1", "--root", MACHINE, *arguments,
                        stderr=subprocess.DEVNULL)
        self.assertEqual(code, 0, f"{what}:\n{out}")
        plan = json.loads(out)
        self.assertEqual((plan["errors"], plan["oddities"]), ([], []), what)

    def load(self, what, text, folder):
        """As a user would have it: what an example expects in /etc/cleave is there."""
        (folder / "profiles").mkdir(exist_ok=True)
        (folder / "cluster.yaml").write_bytes(DESCRIPTOR.read_bytes())
        text = text.replace("/etc/cleave/", f"{folder}/")
        file = folder / "cleave.toml"
        file.write_text(text)
        if is_profile(text):
            self.check(what, "--profile", file, "--config", os.devnull)
        else:
            self.check(what, "--config", file)

    def test_blocks(self):
        fragments = []
        for block in markdown.blocks():
            with self.subTest(str(block)), tempfile.TemporaryDirectory() as folder:
                if block.info == "toml fragment":
                    fragments.append(str(block))
                elif block.info == "toml":
                    marked = block.text.startswith("# cleave.toml\n") or is_profile(block.text)
                    self.assertTrue(marked, f"{block}: begins with neither '# cleave.toml' nor 'schema = 1'")
                    self.load(block, block.text, Path(folder))
                elif block.info.startswith("toml "):
                    file = block.path.parent / block.info.split()[1]
                    lines = [line for line in file.read_text().splitlines() if "SPDX" not in line]
                    self.assertEqual(block.text.splitlines(), lines, f"{block} is not what is in {file.name}")
        self.assertLessEqual(len(fragments), MOST_FRAGMENTS, fragments)

    def test_files(self):
        files = [*sorted((ROOT / "config").rglob("*.toml")), *sorted(EXAMPLES.rglob("*.toml")),
                 *sorted((ROOT / "deploy").rglob("*.toml"))]
        self.assertTrue(files)
        for file in files:
            if file in WRONG_FILES:
                continue
            with self.subTest(file.relative_to(ROOT)), tempfile.TemporaryDirectory() as folder:
                if is_profile(file.read_text()):
                    self.check(file, "--profile", file, "--config", os.devnull)
                elif file.is_relative_to(EXAMPLES):
                    self.check(file, "--config", file)
                else:
                    self.load(file, file.read_text(), Path(folder))


def is_profile(text):
    return re.search(r"^schema\s*=\s*1$", text, re.MULTILINE) is not None


class Console(WithProgram):
    """`$ cleave ...` and below it what it prints; a line with nothing but ... stands for any lines."""

    @staticmethod
    def same_times(text):
        text = re.sub(r"Took \d+ us", "Took 0 us", text)
        return re.sub(r'"microseconds": \d+', '"microseconds": 0', text)

    def compare(self, where, command, expected, printed):
        pattern = "".join("(?:.*\n)*?" if line == "..." else re.escape(line) + "\n"
                          for line in self.same_times(expected).splitlines())
        if not re.fullmatch(pattern, self.same_times(printed)):
            self.fail(f"{where}: {command}\nprints\n{printed}\nbut the page says\n{expected}")

    def test_examples(self):
        ran = 0
        for block in markdown.blocks():
            if block.info != "console":
                continue
            self.assertTrue(block.text.startswith("$ "), f"{block}: no command")
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                while command.endswith("\\"):
                    more, _, expected = expected.partition("\n")
                    command = command[:-1] + more
                words = shlex.split(command)
                with self.subTest(str(block), command=command):
                    self.assertEqual(words[0], "cleave", f"{block}: only cleave's output can be compared")
                    self.compare(block, command, expected, run(*words[1:])[1])
                    ran += 1
        self.assertGreater(ran, 5)


class Keys(unittest.TestCase):
    def test_every_key_is_described(self):
        described = {key for _, key in keys.described()}
        missing = sorted(keys.parsed() - described)
        self.assertEqual(missing, [], "keys that the parsers know and no table in docs/ names")

    def test_every_described_key_exists(self):
        binary()
        pages = set()
        with tempfile.TemporaryDirectory() as folder:
            for table, key in keys.described():
                with self.subTest(f"{table.path.name}: {table.heading}", key=key):
                    text = keys.with_odd_value(table.heading, key)
                    self.assertIsNotNone(text, f"no sample for the heading '{table.heading}'")
                    file = Path(folder) / "odd.toml"
                    file.write_text(text)
                    option = "--profile" if table.path.name == "profiles.md" else "--config"
                    _, out = run("check", option, file, "--root", MACHINE)
                    self.assertNotIn(f"unknown key '{key}'", out, text)
                    self.assertIn(f"odd.toml:{len(text.splitlines())}:", out, f"{text}\nnobody reads the key:\n{out}")
                pages.add(table.path.name)
        self.assertEqual(pages, {"configuration.md", "profiles.md"})

    def test_weights_have_the_described_defaults(self):
        source = (ROOT / "src/config/config.h").read_text()
        defaults = dict(re.findall(r"double (\w+) = ([\d.]+);", source.partition("struct Weights")[2].partition("};")[0]))
        described = {markdown.codes(row[0])[0]: row[1] for table in markdown.tables(ROOT / "docs/configuration.md")
                     if table.heading == "`[affinity]`" for row in table.rows}
        self.assertEqual(described, defaults)

    def test_every_link_source_is_described(self):
        table = (ROOT / "src/topology/link_sources.cpp").read_text().partition("kKinds = {{")[2].partition("}};")[0]
        names = re.findall(r'^\s*\{"([\w-]+)"', table, re.MULTILINE)
        self.assertTrue(names)
        page = (ROOT / "docs/configuration.md").read_text()
        self.assertEqual([name for name in names if f'`"{name}"`' not in page], [])

    def test_every_built_in_name_is_described(self):
        text = (ROOT / "docs/profiles.md").read_text()
        self.assertEqual([name for name in keys.built_in_names() if f"`{{{name}}}`" not in text], [])

    def test_settings_of_profiles_are_described(self):
        for profile in (ROOT / "config/profiles").glob("*.toml"):
            rows = {markdown.codes(row[0])[0]: row for table in markdown.tables(page_of(profile.stem))
                    if table.head[0] == "setting" for row in table.rows}
            section = re.search(r"^\[settings\]\n(.*?)\n\n", profile.read_text(), re.MULTILINE | re.DOTALL)
            declared = re.findall(r'^(\w+)\s*=\s*\{ (?:values = \[(.*?)\]|match = ".*?", what = ".*?"), default = ("[^"]*")', section[1] if section else "", re.MULTILINE)
            self.assertEqual(set(rows), {name for name, _, _ in declared}, profile.name)
            for name, values, default in declared:
                self.assertEqual(markdown.codes(rows[name][1]), values.split(", ") if values else [], name)
                self.assertEqual(markdown.codes(rows[name][2]), [default], name)


class Json(WithProgram):
    """docs/json.md names every key that is printed, and no other."""
    COMMANDS = [["plan"], ["topology"], ["topology", "--functions"], ["check"]]
    # Keys that are names of something else.
    OPEN = {"attributes", "nodes"}

    def keys_of(self, value):
        if isinstance(value, list):
            return set().union(*map(self.keys_of, value)) if value else set()
        if not isinstance(value, dict):
            return set()
        found = set(value)
        for key, inner in value.items():
            if key not in self.OPEN:
                found |= self.keys_of(inner)
        return found

    def test_keys(self):
        printed = set()
        for machine in ["tenstorrent-4x-n300", "tt-oddities", "tt-p300-2numa", "g4dn-metal"]:
            for command in self.COMMANDS:
                for config in ["docs/examples/t3000.toml", WRONG_ON_PURPOSE]:
                    out = subprocess.run([binary(), *command, "--output", "json", "--root", MACHINES / f"{machine}.tar.zst",
                                          "--config", config], cwd=ROOT, capture_output=True, text=True).stdout
                    printed |= self.keys_of(json.loads(out)) if out else set()
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:  # of a host that lacks what containers get
            config.write('[[resource]]\nname = "example.com/x"\ncontainer.mounts = [{ host = "/nosuch" }]\n')
            config.flush()
            printed |= self.keys_of(json.loads(run("plan", "--output", "json", "--config", config.name, "--root", MACHINE)[1]))
        printed |= self.keys_of(json.loads(run("prefer", "tenstorrent.com/n300", "-n", 2, "--output", "json", "--root", MACHINE)[1]))
        described = {key for table in markdown.tables(ROOT / "docs/json.md") if table.head[0] == "key"
                     for row in table.rows for key in re.split(r"[.\[\]]+", markdown.codes(row[0])[0]) if key}
        self.assertEqual(described, printed)


class CommandLine(WithProgram):
    def commands(self):
        out = run("--help")[1].partition("Subcommands:")[2].partition("\n\n")[0]
        return re.findall(r"^  (\w+)  ", out, re.MULTILINE)

    def options(self):
        """{option: commands that have it}"""
        found = {}
        for command in self.commands():
            for option in re.findall(r"--[a-z][a-z-]+", run(command, "--help")[1]):
                found.setdefault(option, set()).add(command)
        return found

    def test_readme_has_them_all(self):
        text = (ROOT / "README.md").read_text().partition("## Command line")[2].partition("\n## ")[0]
        self.assertTrue(self.commands())
        missing = [command for command in self.commands() if f"`cleave {command}" not in text]
        missing += [option for option in self.options() if option != "--help" and f"`{option}" not in text]
        self.assertEqual(missing, [])

    def test_no_other_options(self):
        known = set(self.options()) | {"--version"}
        for path in DOCS:
            for number, line in markdown.split(path)[0]:
                for code in markdown.codes(line):
                    if code.startswith("cleave ") or re.fullmatch(r"--[a-z-]+( .*)?", code):
                        for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", code):
                            self.assertIn(option, known, f"{path.name}:{number}")


class Metrics(unittest.TestCase):
    def test_names(self):
        code = "".join(path.read_text() for path in sorted((ROOT / "src/server").glob("*.cpp")))
        names = set(re.findall(r'"(cleave_[a-z_]+|process_[a-z_]+)"', code))
        page = ROOT / "docs/operations.md"
        described = {markdown.codes(row[0])[0].partition("{")[0] for table in markdown.tables(page) if table.head[0] == "metric"
                     for row in table.rows}
        self.assertTrue(names)
        self.assertEqual(described, names)


class Architecture(unittest.TestCase):
    def test_mutexes(self):
        found = {str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*")
                 if path.suffix in (".h", ".cpp") and re.search(r"^\s*(mutable )?Mutex \w+;", path.read_text(), re.MULTILINE)}
        described = {markdown.codes(row[0])[0] for table in markdown.tables(ROOT / "docs/architecture.md")
                     if table.head[0] == "mutex in" for row in table.rows}
        self.assertEqual(described, found)


class Logs(unittest.TestCase):
    def test_messages(self):
        code = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.cpp")))
        for table in markdown.tables(ROOT / "docs/operations.md"):
            if table.head[0] == "message":
                for row in table.rows:
                    for message in markdown.codes(row[0]):
                        self.assertTrue(f'"{message}"' in code, message)

    def test_all_warnings_and_errors(self):
        code = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.cpp")))
        described = {message for table in markdown.tables(ROOT / "docs/operations.md") if table.head[0] == "message"
                     for row in table.rows for message in markdown.codes(row[0])}
        found = set(re.findall(r'Log\(LogLevel::k(?:Error|Warning),\s*"([^"]+)"', code))
        self.assertTrue(found)
        self.assertEqual(found - described, set())


class Pages(unittest.TestCase):
    def test_blocks_say_what_they_are(self):
        for block in markdown.blocks():
            known = block.info in INFOS or re.fullmatch(r"toml examples/[\w/-]+\.toml", block.info)
            self.assertTrue(known, f"{block}: info string '{block.info}'")
            if block.info == "json":
                json.loads(block.text)

    def test_links_lead_somewhere(self):
        for path in markdown.every_page():
            for number, target in markdown.links(path):
                name, _, anchor = target.partition("#")
                file = (path.parent / name).resolve() if name else path
                where = f"{path.relative_to(ROOT)}:{number}: {target}"
                self.assertTrue(file.exists(), where)
                if anchor and file.suffix == ".md":
                    self.assertIn(anchor, markdown.anchors(file), where)

    def test_pages_that_the_source_names_exist(self):
        names = {name for path in (ROOT / "src").rglob("*.h") for name in re.findall(r"(?<!umd )(?<!kmd )\bdocs/[\w-]+\.md", path.read_text())}
        self.assertEqual([name for name in sorted(names) if not (ROOT / name).exists()], [])

    def test_paths_in_the_text_exist(self):
        """`src/...`, `tests/...` and the like; {a,b}, * and names in capitals stand for several."""
        for path in DOCS:
            for number, line in markdown.split(path)[0]:
                for code in markdown.codes(line):
                    if re.fullmatch(r"(src|tests|docs|config|deploy|scripts|cmake|bench)/[\w./-]+", code):
                        self.assertTrue((ROOT / code).exists(), f"{path.name}:{number}: {code}")


def main():
    """unittest's, and exit status 77 when every test that needs the program was skipped."""
    result = unittest.main(module="__main__", exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.skipped:
        print("skipped:", ", ".join(sorted({why for _, why in result.skipped})), flush=True)
    sys.exit(77 if result.skipped else 0)


if __name__ == "__main__":
    main()
