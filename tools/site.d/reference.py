"""The reference: a page for each header, made from what Doxygen reads in include/gradus."""
import html
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ROOMS = {"": "The core", "ops": "Operations", "nn": "Layers", "optim": "Optimizers and schedulers", "data": "Data", "text": "Text",
         "io": "Files", "train": "The loop of a training", "distributed": "Several ranks"}
WIDTH = 84  # of a declaration; longer ones have a line for each parameter


class Undocumented(Exception):
    """Public names without a comment, or comments that Doxygen does not understand."""


class Entry:
    """A class, function, type or constant."""

    def __init__(self, node, owner=None):
        location = node.find("location")
        self.node, self.owner = node, owner
        self.kind, self.id, self.protected = node.get("kind"), node.get("id"), node.get("prot") == "protected"
        path = (node.findtext("name") or node.findtext("compoundname")).split("::")
        self.name = path[-1]
        self.title = "::".join(part for part in path if not part.islower())  # with the class that it is in; namespaces are small letters
        self.file, self.line = pathlib.Path(location.get("file")), int(location.get("line"))
        self.members = []
        self.bases = [base.text.split("::")[-1] for base in node.findall("basecompoundref")]
        self.page = self.anchor = None

    @property
    def is_class(self):
        return self.kind in ("class", "struct")

    @property
    def documented(self):
        return any("".join(part.itertext()).strip() for part in (self.node.find("briefdescription"), self.node.find("detaileddescription")))

    @property
    def special(self):
        """Copying, moving, ending and inherited constructors, which need no words, unless there are some."""
        arguments = self.node.findtext("argsstring") or ""
        plain = re.sub(r"\b(const|noexcept)\b|[&\s]|=default|=delete|=0", "", arguments)
        own = self.owner is not None and self.name in (self.owner.name, "operator=") and plain.strip("()") in ("", self.owner.name, self.owner.name + "other")
        inherited = self.owner is not None and self.name in self.owner.bases
        return not self.documented and (own or inherited or self.name.startswith("~"))


def run_doxygen(folder):
    """The XML files, in the folder. Throws Undocumented on warnings."""
    run = subprocess.run(["doxygen", HERE / "Doxyfile"], cwd=ROOT, env={**os.environ, "SITE_XML": str(folder)}, capture_output=True, text=True)
    if run.returncode != 0 or "warning:" in run.stderr:
        raise Undocumented(run.stderr.strip())
    return folder / "xml"


def members(compound, owner=None):
    for node in compound.iter("memberdef"):
        if node.get("prot") != "private" and node.get("kind") != "friend":
            yield Entry(node, owner)


def read(xml):
    """The public entries of each header, in its order."""
    found = {}
    for file in sorted([*xml.glob("namespace*.xml"), *xml.glob("class*.xml"), *xml.glob("struct*.xml")]):
        compound = ElementTree.parse(file).getroot().find("compounddef")
        if "::detail" in compound.findtext("compoundname"):
            continue
        if compound.get("kind") == "namespace":
            entries = list(members(compound))
        elif compound.get("prot") == "private":
            continue
        else:
            entries = [Entry(compound)]
            entries[0].members = sorted(members(compound, entries[0]), key=lambda entry: entry.line)
        for entry in entries:
            if entry.file.is_relative_to("include"):
                found.setdefault(entry.file, []).append(entry)
    for file, entries in found.items():
        classes = {entry.name for entry in entries if entry.is_class}
        entries[:] = sorted((entry for entry in entries if entry.is_class or entry.name not in classes), key=lambda entry: entry.line)
    return found  # without deduction guides, which have the name of their class


class Header:
    """A header's text, and where in it things stand."""

    def __init__(self, file):
        self.file = file
        self.lines = (ROOT / file).read_text().splitlines()

    def about(self):
        """The comment above its namespace."""
        text = re.search(r"((?:^///.*\n)+)namespace gradus", "\n".join(self.lines), re.M)
        return re.sub(r"^/// ?", "", text[1], flags=re.M).strip() if text else ""

    def notes(self):
        """The comments that stand alone, about all that follows: the number of the line behind each, and its text."""
        text = "\n".join(self.lines)
        for block in re.finditer(r"((?:^///.*\n)+)(?=\n)", text, re.M):
            yield text[:block.end()].count("\n"), re.sub(r"^/// ?", "", block[1], flags=re.M).strip()

    def part_before(self, entry, since):
        """What a line such as `// ---- geometry` between two members says; nothing where there is none."""
        found = [line for line in self.lines[since:entry.line] if re.match(r"\s*// ---- ", line)]
        return found[-1].split("---- ", 1)[1] if found else ""

    def declaration(self, entry):
        """As it is written there, without its body, and its last line."""
        first = last = entry.line - 1
        while re.match(r"\s*(template|requires)\b", self.lines[first - 1]):
            first -= 1
        text, depth = "", 0
        keep_braces = entry.kind in ("variable", "enum", "typedef")
        for at, line in enumerate(self.lines[entry.line - 1:entry.line + 60], entry.line - 1):
            for i, letter in enumerate(line):
                if line[i:i + 2] == "//":
                    break
                if depth == 0 and (letter == ";" or letter == "{" and not keep_braces):
                    return self.tidied(entry, self.lines[first:entry.line - 1], text), max(at, last)
                if letter == ":" and depth == 0 and entry.kind == "function" and "::" not in (line[i:i + 2], line[i - 1:i + 1]) and ")" in text:
                    return self.tidied(entry, self.lines[first:entry.line - 1], text), max(at, last)
                depth += (letter in "([{") - (letter in ")]}")
                text += letter
            text += "\n" if entry.kind == "enum" else " "
        return self.tidied(entry, [], text), last

    @staticmethod
    def tidied(entry, before, text):
        text = re.sub(r"\bGRADUS_API ", "", text)
        if entry.kind == "enum":
            body = [part.strip() for part in text[text.find("{") + 1:text.rfind("}")].split(",") if part.strip()]
            text = text[:text.find("{")].strip() + " { " + ", ".join(body) + " };"
        else:
            text = re.sub(r"\s+", " ", text).strip() + ";"
            text = re.sub(r"\s*= default;$", ";", text)
        prefix = "".join(re.sub(r"\s+", " ", line).strip() + "\n" for line in before)
        at = text.find("(operator()(") + 1 if "(operator()(" in text else text.find("(")
        if "operator()" in text:
            at = text.find("(", text.find("operator()") + len("operator()"))
        if len(text) <= WIDTH or at < 0:
            return prefix + text
        end, depth, parts, start = at, 0, [], at + 1
        for i in range(at, len(text)):
            depth += (text[i] in "([{<") - (text[i] in ")]}>" and text[i - 1:i + 1] != "->")
            if depth == 1 and text[i] == ",":
                parts.append(text[start:i].strip())
                start = i + 1
            if depth == 0:
                end = i
                break
        parts.append(text[start:end].strip())
        return prefix + text[:at + 1] + "\n    " + ",\n    ".join(parts) + text[end:]


def groups(entries, header):
    """Entries that stand one below the other under one comment, with their declarations: [(entries, declarations)].

    Free functions without a comment belong to the one above; members do when they are its overloads, or when it has none either.
    """
    result, previous = [], None  # the number of the line that the last declaration ends on
    for entry in entries:
        if entry.is_class:
            result.append(([entry], []))
        if entry.is_class or entry.special:
            previous = None
            continue
        text, last = header.declaration(entry)
        above = [line for line in header.lines[previous:entry.line - 1] if not re.match(r"\s*(template|requires)\b", line)] if previous else ["-"]
        joins = not above and not entry.documented and (
            entry.owner is None or result[-1][0][-1].name == entry.name or not result[-1][0][0].documented)
        if joins and result[-1][0][0].kind == entry.kind:
            result[-1][0].append(entry)
            result[-1][1].append(text)
        else:
            result.append(([entry], [text]))
        previous = body_end(header.lines, last)
    return result


def body_end(lines, at):
    """The number of the line on which the body that begins on a line ends."""
    depth = 0
    for i in range(at, len(lines)):
        depth += lines[i].count("{") - lines[i].count("}")
        if depth <= 0 and ("}" in lines[i] or ";" in lines[i]):
            return i + 1
    return len(lines)


def explained(entry, free):
    """Whether its own comment, or that of its class, tells what it is."""
    owner = entry.owner
    if entry.documented or entry.special:
        return True
    if owner is None:
        return False
    if owner.name == "Tensor" and twin(entry, free) or entry.node.find("reimplements") is not None:
        return True
    # What is made and called is what the class is about; so are its types, and what it gives when asked for nothing.
    plain = entry.name == owner.name or entry.name.startswith("operator") or entry.kind in ("variable", "typedef")
    return owner.documented and (plain or re.sub(r"\s|const|noexcept|override|final", "", entry.node.findtext("argsstring") or "") == "()")


def words_of(text):
    return re.sub(r"\W+", " ", text).strip()


def twin(entry, free):
    """The free function that a method of Tensor stands for."""
    return free.get(entry.name) or free.get(entry.name.removesuffix("_"))


class Reference:
    def __init__(self, folder):
        self.found = read(run_doxygen(folder))
        self.headers = {file: Header(file) for file in self.found}
        self.notes = {words_of(text) for header in self.headers.values() for _, text in header.notes()}
        self.by_id = {}
        self.free = {}
        for file, entries in self.found.items():
            used = set()
            for entry in entries:
                entry.page = self.page(file)
                entry.anchor = self.unused(entry.name, used)
                self.by_id[entry.id] = entry
                if entry.kind == "function" and file.parts[2] == "ops":
                    self.free.setdefault(entry.name, entry)
                for member in entry.members:
                    member.page, member.anchor = entry.page, self.unused(f"{entry.name}.{member.name}", used)
                    self.by_id[member.id] = member
                if entry.kind == "enum":
                    for value in entry.node.findall("enumvalue"):
                        self.by_id[value.get("id")] = entry

    @staticmethod
    def unused(name, used):
        name = re.sub(r"[^\w.]+", lambda other: "-" + "".join(f"{ord(letter):x}" for letter in other[0]), name)
        plain, count = name, 1
        while name in used:
            count += 1
            name = f"{plain}-{count}"
        used.add(name)
        return name

    @staticmethod
    def page(file):
        return pathlib.Path("reference", *file.parts[2:]).with_suffix(".md")

    def undocumented(self):
        """Where each public name without a word stands."""
        missing = []
        for file, entries in self.found.items():
            header = self.headers[file]
            for group, _ in groups(entries, header):
                if group[0].is_class:
                    inside = [member for member in group[0].members if member.kind == "variable"]
                    found = [[group[0]], *([member] for member in inside), *(inner for inner, _ in self.member_groups(group[0], header))]
                else:
                    found = [group]
                missing += [entry for inner in found for entry in (inner if not inner[0].documented else inner[:1]) if not explained(entry, self.free)]
        return [f"{entry.file}:{entry.line}: {entry.owner.name + '::' if entry.owner else ''}{entry.name} has no comment" for entry in missing]

    @staticmethod
    def member_groups(entry, header):
        """Of all members but the data."""
        return groups([member for member in entry.members if member.kind != "variable"], header)

    def link(self, entry, page):
        return os.path.relpath(entry.page.with_suffix(".html"), page.parent) + "#" + entry.anchor

    # ---- comments

    def inline(self, node, page):
        text = html.escape(node.text or "", quote=False)
        for child in node:
            inner = self.inline(child, page)
            if child.tag == "ref" and child.get("refid") in self.by_id:
                text += f'<a href="{self.link(self.by_id[child.get("refid")], page)}">{inner}</a>'
            elif child.tag in ("computeroutput", "emphasis", "bold"):
                tag = {"computeroutput": "code", "emphasis": "em", "bold": "strong"}[child.tag]
                text += f"<{tag}>{inner}</{tag}>"
            elif child.tag == "ulink":
                text += f'<a href="{html.escape(child.get("url"))}">{inner}</a>'
            elif child.tag == "sp":
                text += " "
            elif child.tag == "linebreak":
                text += "<br>"
            elif child.tag in ("itemizedlist", "orderedlist", "programlisting", "verbatim", "table"):
                continue  # see blocks
            else:
                text += {"ndash": "--", "mdash": "---"}.get(child.tag, inner)  # as in the header: an option of a command
            text += html.escape(child.tail or "", quote=False)
        return text

    def blocks(self, node, page):
        """A comment as blocks of Markdown and HTML, without the notes above it, which Doxygen takes for part of it."""
        result = []
        for para in node.findall("para"):
            text = self.inline(para, page).strip()
            if text and words_of("".join(para.itertext())) not in self.notes:
                result.append(f"<p>{text}</p>")
            for child in para:
                if child.tag in ("programlisting", "verbatim"):
                    lines = [self.plain(line) for line in child.findall("codeline")]
                    code = "\n".join(lines) if lines else (child.text or "").strip("\n")
                    language = "cpp" if re.search(r"[;{]|#include", code) else "text"
                    result.append(f"```{language}\n{code}\n```")
                elif child.tag in ("itemizedlist", "orderedlist"):
                    items = "".join("<li>" + " ".join(self.inline(part, page).strip() for part in item.findall("para")) + "</li>"
                                    for item in child.findall("listitem"))
                    result.append(f"<ul>{items}</ul>")
        return result

    def plain(self, node):
        text = node.text or ""
        for child in node:
            text += (" " if child.tag == "sp" else self.plain(child)) + (child.tail or "")
        return text

    def comment_of(self, node, page):
        return self.blocks(node.find("briefdescription"), page) + self.blocks(node.find("detaileddescription"), page)

    def comment(self, entry, page):
        return self.comment_of(entry.node, page)

    # ---- pages

    def source(self, entry, page):
        target = os.path.relpath(pathlib.Path(f"{entry.file}.html"), page.parent)
        return f'<a class="source" href="{target}#__codelineno-0-{entry.line}" title="{entry.file}, line {entry.line}"></a>'

    def shown(self, group, declarations, page, anchors=True):
        """What stands below the heading of a group."""
        first = group[0]
        marks = "".join(f'<span id="{entry.anchor}"></span>' for entry in group) if anchors else ""
        words = self.comment(first, page)
        other = twin(first, self.free) if first.owner is not None and first.owner.name == "Tensor" else None
        if not words and other is not None:
            words = [f'<p>{"In place: see" if first.name.endswith("_") else "See"} <a href="{self.link(other, page)}">{html.escape(other.name)}</a>.</p>']
        values = [(value.findtext("name"), self.comment_of(value, page)) for value in first.node.findall("enumvalue")]
        if any(meaning for _, meaning in values):
            rows = "".join(f"<dt><code>{name}</code></dt><dd>{re.sub('^<p>|</p>$', '', ' '.join(meaning))}</dd>" for name, meaning in values)
            words.append(f'<dl class="fields">{rows}</dl>')
        base = first.node.find("reimplements")
        if not words and base is not None and base.get("refid") in self.by_id:
            of = self.by_id[base.get("refid")]
            words = [f'<p>See <a href="{self.link(of, page)}">{of.owner.name}::{html.escape(of.name)}</a>.</p>']
        note = '<span class="protected">protected</span>' if first.protected else ""
        return [f'<p class="declared">{marks}{note}{self.source(first, page)}</p>', "```cpp\n" + "\n".join(declarations) + "\n```", *words]

    def fields(self, entry, header, page):
        """The data members of a struct, as a table of rows: what it is, and what for."""
        rows = []
        for member in entry.members:
            if member.kind != "variable":
                continue
            text = header.declaration(member)[0].rstrip(";")
            words = " ".join(re.sub(r"^<p>|</p>$", "", block) for block in self.comment(member, page))
            rows.append(f'<dt><span id="{member.anchor}"></span><code>{html.escape(text, quote=False)}</code></dt><dd>{words}</dd>')
        return [f'<dl class="fields">{"".join(rows)}</dl>'] if rows else []

    def class_page(self, entry, header, page):
        bases = [base.text.split("::")[-1] if base.get("refid") is None or base.get("refid") not in self.by_id else
                 f'<a href="{self.link(self.by_id[base.get("refid")], page)}">{html.escape(base.text.split("::")[-1])}</a>'
                 for base in entry.node.findall("basecompoundref")]
        line = f'<p class="declared">{"derives from " + ", ".join(bases) if bases else ""}{self.source(entry, page)}</p>'
        parts = [f"## {entry.kind} {entry.title} {{ #{entry.anchor} }}", line, *self.comment(entry, page), *self.fields(entry, header, page)]
        since = entry.line
        for group, declarations in self.member_groups(entry, header):
            part, since = header.part_before(group[0], since), group[-1].line
            if part:
                parts.append(f"### {entry.name}: {part.split(':')[0]} {{ #{entry.name}-{re.sub('[^a-z]+', '-', part.split(':')[0])} }}")
            parts += self.shown(group, declarations, page)
        return parts

    def header_page(self, file):
        page, header = self.page(file), self.headers[file]
        name = "/".join(file.parts[2:])
        source = os.path.relpath(pathlib.Path(f"{file}.html"), page.parent)
        parts = [f"# {name}", f"```cpp\n#include <gradus/{name}>\n```",
                 f'<p class="declared"><a class="source" href="{source}" title="{file}"></a></p>']
        about = header.about()
        if about:
            parts.append("<p>" + html.escape(about, quote=False).replace("\n", " ") + "</p>")
        notes = list(header.notes())
        for group, declarations in groups(self.found[file], header):
            while notes and notes[0][0] < group[0].line:
                parts.append(f"<p><em>{html.escape(notes.pop(0)[1], quote=False)}</em></p>")
            if group[0].is_class:
                parts += self.class_page(group[0], header, page)
                continue
            names = list(dict.fromkeys(entry.name for entry in group))
            parts.append(f"## {', '.join(name.replace('*', chr(92) + '*') for name in names)} {{ #{group[0].anchor} }}")
            shown = self.shown(group, declarations, page)
            shown[0] = shown[0].replace(f'<span id="{group[0].anchor}"></span>', "", 1)
            parts += shown
        return "\n\n".join(parts) + "\n"

    def rooms(self):
        """The headers of each room, in the order of ROOMS."""
        result = {room: [] for room in ROOMS}
        for file in sorted(self.found):
            result.setdefault(file.parts[2] if len(file.parts) > 3 else "", []).append(file)
        return {room: files for room, files in result.items() if files}

    def index_page(self):
        page = pathlib.Path("reference/index.md")
        parts = ["# Reference", "Everything that the headers declare for users, with its equation, shapes and dtypes, and what it throws. The "
                 "search above finds each name; `#include <gradus/gradus.h>` brings all but `gradus/distributed.h`. "
                 "Where a method of `Tensor` has a free function of the same name, the equation stands there."]
        for room, files in self.rooms().items():
            parts.append(f"## {ROOMS.get(room, room)}")
            for file in files:
                links = []
                for entry in self.found[file]:
                    if "<" in entry.name and not entry.name.startswith("operator") or entry.special:
                        continue
                    links.append(f'<a href="{self.link(entry, page)}">{html.escape(entry.name)}</a>')
                links = list({re.sub("#.*\">", "", link): link for link in reversed(links)}.values())[::-1]
                name = "/".join(file.parts[2:])
                target = os.path.relpath(self.page(file).with_suffix(".html"), page.parent)
                parts.append(f'<p class="names"><a href="{target}"><code>{name}</code></a> {" · ".join(links)}</p>')
        return "\n\n".join(parts) + "\n"

    def write(self, stage):
        """The pages, below stage/reference."""
        for file in self.found:
            target = stage / self.page(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.header_page(file))
        (stage / "reference" / "index.md").write_text(self.index_page())
