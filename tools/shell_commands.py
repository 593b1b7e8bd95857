"""The shell commands of the pages, checked without being run: tools/docs --check asks for their problems.

Programs and scripts have to be there, with the options that are shown; Ninja has to know its targets, Meson its options, pkg-config its
packages; what is copied from the project has to be in it; what is started in the reader's folder has to have been compiled above.
"""
import pathlib
import re
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.S | re.M)
INLINE = re.compile(r"`((?:sudo |mpirun |meson |ninja |build/examples/|tools/|tests/)[^`\n]*[^`/\n])`")
INNER = re.compile(r"\$\(([^()]*)\)")
ELSEWHERE = {"curl", "export", "cd", "mkdir", "source"}  # nothing of this project


def output_of(*command):
    run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return run.returncode, run.stdout + run.stderr


class Page:
    """What a reader has compiled so far, and the build directory that stands for theirs."""

    def __init__(self, build):
        self.build = build
        self.compiled = set()

    def options(self, words, known, what):
        """Those of the words that are options, each of which has to be among the words that are known."""
        names = [word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word) and not word.startswith("-D")]
        return [f"{what} has no option {name}" for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", known)]

    def program(self, words):
        name = words[0].removeprefix("build/")
        if not (self.build / name).is_file():
            return [f"there is no {words[0]}"]
        has_options = any(word.startswith("--") for word in words[1:])
        return self.options(words[1:], output_of(self.build / name, "--help")[1], words[0]) if has_options else []

    def script(self, words):
        file = ROOT / words[0]
        if not file.exists():
            return [f"there is no {words[0]}"]
        files = [file] if file.is_file() else []
        files += [ROOT / other for other in re.findall(r"(?:tests|tools)/[\w./]+", file.read_text(errors="replace"))] if files else []
        text = "".join(part.read_text(errors="replace") for part in files if part.is_file())  # its own and of those it calls
        return self.options(words[1:], text, words[0])

    def ninja(self, words):
        targets = [word for previous, word in zip(words, words[1:]) if previous != "-C" and not word.startswith("-")]
        code, said = output_of("ninja", "-C", self.build, "-n", *targets)
        return [] if code == 0 else [f"ninja says: {said.strip().splitlines()[-1]}"]

    def meson(self, words):
        command = words[1] if len(words) > 1 else ""
        code, known = output_of("meson", command, "--help")
        if code != 0:
            return [f"meson has no command '{command}'"]
        problems = self.options(words[2:], known, f"meson {command}")
        ours = (ROOT / "meson_options.txt").read_text()
        for name in re.findall(r"-D([\w-]+)=", " ".join(words)):
            if f"'{name}'" not in ours and f"--{name.replace('_', '-')}" not in known:
                problems.append(f"there is no Meson option '{name}'")
        return problems

    def compiler(self, words):
        if "-o" not in words[:-1]:
            return ["g++ is not told by -o how to name the program"]
        self.compiled.add("./" + words[words.index("-o") + 1])
        return []

    def pkg_config(self, words):
        missing = [word for word in words[1:] if not word.startswith("-") and not word.startswith("gradus")]
        return [f"pkg-config knows nothing of {word} that the project made" for word in missing]

    def packages(self, words):
        known = (ROOT / "tools" / "install").read_text()
        wanted = [word for word in words[words.index("install") + 1 :] if not word.startswith("-")] if "install" in words else []
        return [f"tools/install does not know the package {word}" for word in wanted if word not in re.findall(r"[\w.+-]+", known)]

    def copied(self, words):
        sources = [word.removeprefix("$GRADUS/") for word in words[1:] if word.startswith("$GRADUS/")]
        return [f"there is no {source} in the project" for source in sources if not (ROOT / source).exists()]

    def command(self, line, inline=False):
        """The problems of one command."""
        problems = []
        for inner in INNER.findall(line):
            problems += self.command(inner, inline)
        words = shlex.split(INNER.sub("", line), comments=True)
        while words and (words[0] == "sudo" or re.match(r"\w+=", words[0])):
            words = words[1:]
        if not words:
            return problems
        if words[0] == "mpirun":  # the program that it starts
            begin = next((i for i, word in enumerate(words) if "/" in word), len(words))
            return problems + (self.command(shlex.join(words[begin:]), inline) if begin < len(words) else [])
        kinds = {"ninja": self.ninja, "meson": self.meson, "g++": self.compiler, "pkg-config": self.pkg_config, "apt-get": self.packages,
                 "cp": self.copied}
        if words[0] in kinds:
            return problems + kinds[words[0]](words)
        if words[0].startswith("build/"):
            return problems + self.program(words)
        if words[0].startswith(("tools/", "tests/")):
            return problems + self.script(words)
        if words[0].startswith("./"):
            return problems if inline or words[0] in self.compiled else [*problems, f"{words[0]} was not compiled above"]
        return problems if words[0] in ELSEWHERE else [*problems, f"tools/shell_commands.py does not know what {words[0]} is"]


def problems_of(text, build):
    """What is wrong with the commands of a page, in its blocks and in its sentences, and how many there are."""
    page, problems, count = Page(build), [], 0
    commands = []
    for block in BLOCK.findall(text):
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        problems += [f"bash does not understand this: {checked.stderr.strip()}"] if checked.returncode != 0 else []
        commands += [(line, False) for line in block.replace("\\\n", " ").splitlines()]
    commands += [(line, True) for line in INLINE.findall(re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))]
    for line, inline in commands:
        if not line.strip() or line.strip().startswith("#"):
            continue
        count += 1
        try:
            found = page.command(line, inline)
        except ValueError as wrong:  # of shlex
            found = [str(wrong)]
        problems += [f"the command '{line.strip()}': {problem}" for problem in found]
    return problems, count
