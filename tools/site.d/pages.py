"""The pages of the site, as mkdocs wants them, in a folder that mirrors the sources."""
import json
import os
import pathlib
import re
import shutil

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
FENCE = re.compile(r"^( *)(`{3,})(.*)$")
MARKER = re.compile(r"^([-*+]|\d+\.)( +)(?=\S)")
LANGUAGES = {".cpp": "cpp", ".h": "cpp", ".py": "python", ".build": "meson", ".sh": "sh", ".json": "json", ".in": "cpp", ".yml": "yaml"}
LANGUAGES_BY_NAME = {"meson.build": "meson", "run": "python"}
BETWEEN_CHARACTERS = re.compile("(?<=[\u3400-\u9fff])(?=[\u3400-\u9fff])")
TITLE = re.compile(r"^# (.+)$", re.M)


def split_fences(text):
    """The lines of a page, each with whether it is code between fences."""
    fence = None
    for line in text.splitlines():
        found = FENCE.match(line)
        if fence is None and found:
            fence = found[2]
            yield line, True
        elif fence is not None:
            yield line, True
            if found and found[2].startswith(fence) and not found[3].strip():
                fence = None
        else:
            yield line, False


def for_python_markdown(text):
    """Lists as Python-Markdown reads them: a blank line before, and four spaces for what belongs to an item, where GitHub takes fewer.
    The text of details, which it takes for HTML unless told."""
    result, inside, previous = [], [], ""
    for line, code in split_fences(text):
        if not line.strip():
            result.append("")
            previous = line
            continue
        if not code and line == "<details>":
            line = '<details markdown="1">'
        indent = len(line) - len(line.lstrip())
        starts = not code and MARKER.match(line.lstrip())
        lazy = not code and previous.strip() and not starts
        while inside and indent < inside[-1] and not lazy:
            inside.pop()
        base = inside[-1] if inside else 0
        rest = line[min(base, indent):]
        depth = "    " * len(inside)
        if starts and indent - base < 4:
            if previous.strip() and not MARKER.match(previous.lstrip()) and not inside:
                result.append("")
            result.append(depth + rest.lstrip())
            inside.append(indent + starts.end())
        elif rest.startswith("|") and previous.strip() and not previous.lstrip().startswith("|"):
            result += ["", depth + rest]
        else:
            result.append(depth + rest)
        previous = line
    return "\n".join(result) + "\n"


def title(text, otherwise):
    found = TITLE.search(text)
    return found[1].replace("`", "") if found else otherwise


class Pages:
    """Pages and the files that they link to, from the first ones on."""

    def __init__(self, stage, has_reference):
        self.stage, self.has_reference = stage, has_reference
        self.done = {}  # what a file of the sources is in the site
        self.waiting = []

    def place(self, file):
        """Where the site has what a link leads to; None where there is nothing."""
        if file in self.done:
            return self.done[file]
        path = file.relative_to(ROOT)
        if file.is_dir():
            if file == ROOT / "include" / "gradus":
                place = pathlib.Path("reference/index.md")
            elif (file / "README.md").is_file():
                return self.place(file / "README.md")
            else:
                place = path / "index.md"
        elif not file.is_file():
            return None
        else:
            place = path if file.suffix in (".md", ".svg", ".png") else path.with_name(path.name + ".md")
        self.done[file] = place
        self.waiting.append(file)
        return place

    def rewritten(self, file, text):
        """The page with its links to what the site has."""
        lines = []
        for line, code in split_fences(text):
            lines.append(line if code else LINK.sub(lambda match: self.target(file, match[1]), line))
        return "\n".join(lines) + "\n"

    def target(self, file, link):
        path, hash, anchor = link.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link
        to = (file.parent / path).resolve()
        place = self.place(to) if ROOT in to.parents else None
        return link if place is None else os.path.relpath(place, self.done[file].parent) + hash + anchor

    def write(self):
        while self.waiting:
            file = self.waiting.pop()
            place = self.done[file]
            if place.parts[0] == "reference":
                continue
            target = self.stage / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.is_dir():
                target.write_text(self.listing(file))
            elif file.suffix == ".md":
                target.write_text(for_python_markdown(self.rewritten(file, file.read_text())))
            elif file.suffix in (".svg", ".png"):
                shutil.copy(file, target)
            else:
                target.write_text(self.source(file))

    def listing(self, folder):
        """A page of the files in a folder."""
        names = []
        for file in sorted(folder.iterdir()):
            if file.name.startswith((".", "__")) or file.is_dir() and not (folder / file / "meson.build").exists() and folder.name != "tutorials":
                continue
            if file.is_file() and not is_text(file):
                continue
            place = self.place(file)
            names.append(f"- [{file.name}{'/' if file.is_dir() else ''}]({os.path.relpath(place, self.done[folder].parent)})")
        return f"# {folder.relative_to(ROOT)}\n\n" + "\n".join(names) + "\n"

    @staticmethod
    def source(file):
        """A page of a file's text."""
        text = file.read_text()
        language = LANGUAGES_BY_NAME.get(file.name) or LANGUAGES.get(file.suffix)
        if language is None:
            language = "python" if text.startswith("#!/usr/bin/env python") else "bash" if text.startswith("#!") else "text"
        shown = text.splitlines()
        cut = f"\n\nThe first 400 of {len(shown)} lines.\n" if len(shown) > 1000 else ""
        if cut:
            shown = shown[:400]
        return f"# {file.relative_to(ROOT)}\n{cut}\n`````{language} linenums=\"1\"\n" + "\n".join(shown) + "\n`````\n"


def is_text(file):
    try:
        file.read_text()
    except UnicodeDecodeError:
        return False
    return True


def ordered(folder, overview):
    """The pages of a folder, in the order in which the overview links to them, then by name."""
    text = overview.read_text() if overview.is_file() else ""
    links = [(overview.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text)]
    return sorted(folder.glob("*.md"), key=lambda file: (links.index(file) if file in links else len(links), file.name))


def entry(file):
    return {title(file.read_text(), file.stem): str(file.relative_to(ROOT))}


def navigation(described):
    docs = ROOT / "docs"
    overview = docs / "README.md"
    tutorials = [entry(file) for file in sorted((docs / "tutorials").glob("*.md"))]
    guides = [entry(file) for file in ordered(docs / "guides", overview)]
    rooms = [{"Everything by header": "reference/index.md"}]
    for room, files in described.rooms().items():
        inside = [{"/".join(file.parts[2:]): str(described.page(file))} for file in files]
        rooms.append({described_room(room): inside})
    about = [entry(file) for file in ordered(docs, overview) if file != overview]
    result = [
        {"gradus": [{"What it is": "README.md"}, {"All pages": "docs/README.md"}]},
        {"Tutorials": tutorials},
        {"Guides": guides},
        {"Reference": rooms},
        {"About": about + [{"Contributing": "CONTRIBUTING.md"}, {"What is new": "CHANGELOG.md"}]},
    ]
    chinese = docs / "zh"
    if chinese.is_dir():
        first = [{"首页": str((chinese / name).relative_to(ROOT))} for name in ("README.md",) if (chinese / name).is_file()]
        rest = sorted(file for file in chinese.rglob("*.md") if file.name != "README.md")
        result.append({"中文": first + [entry(file) for file in rest]})
    return result


def described_room(room):
    import reference
    return reference.ROOMS.get(room, room)


def write(stage, described, configuration):
    """All pages below the stage, and the settings for mkdocs."""
    found = Pages(stage, True)
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        found.place(file)
    for file in described.headers:
        found.place(ROOT / file)
    found.write()
    for name in ("site.css", "site.js"):
        shutil.copy(HERE / name, stage / "assets" / name)
    shutil.copytree(HERE / "theme", configuration.parent / "theme")
    # JSON is YAML.
    configuration.write_text((HERE / "mkdocs.yml").read_text() + f"docs_dir: {stage}\nnav: {json.dumps(navigation(described), ensure_ascii=False)}\n")


def finish(site):
    """Makes the search better.

    The pages with the text of a source file go out of it: the reference has what is in them. Chinese characters are words of their own, with a
    space of no width between them (site.js does so with what is looked for), and stay in the index, from which the theme's "trimmer" takes all that
    is no Latin letter; what it is there for, punctuation, separates words in mkdocs.yml.
    """
    index = site / "search" / "search_index.json"
    found = json.loads(index.read_text())
    kept = ("index.html", "docs/", "reference/", "CONTRIBUTING.html", "CHANGELOG.html")
    found["docs"] = [part for part in found["docs"] if part["location"] == "" or part["location"].startswith(kept)]
    for part in found["docs"]:
        for field in ("title", "text"):
            part[field] = BETWEEN_CHARACTERS.sub("\u200b", part[field])
    for page in site.rglob("*.html"):
        text = page.read_text()
        page.write_text(text.replace('"search.config.pipeline": "trimmer, stopWordFilter"', '"search.config.pipeline": "stopWordFilter"'))
    index.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")))
