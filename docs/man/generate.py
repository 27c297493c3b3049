"""Makes the source of a manual page (scdoc, or Markdown for lowdown) from a frame: what programs and files say of themselves is put in, so that it is
written once.

    generate.py FRAME [NAME PATH]...

A line of the frame may be
    @options PROGRAM             the options in the output of PROGRAM --help
    @commands PROGRAM            a section for each command in it, from PROGRAM help COMMAND
    @settings FILE               a section for each setting of an annotated config file
    @markdown FILE               a page, for a frame in Markdown
where PROGRAM and FILE are NAMEs of the command line. The form of help texts that this reads is in clients/ctl/options.h."""

import re
import subprocess
import sys

OPTION = re.compile(r"^ {2,6}(?P<names>(?:-\w, )?--[a-z-]+(?:, --[a-z-]+)*)(?: (?P<value>[A-Z][A-Z:]*|[a-z]+(?:\|[a-z]+)+))?(?: +(?P<about>.*))?$")


def escape(text):
    return re.sub(r"([\\_*<>#`\[\]])", r"\\\1", text)


def show_help(program, *words):
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


def options(text):
    """Each option as a paragraph with what it does indented below."""
    found = []
    for line in text.splitlines():
        if option := OPTION.match(line):
            found.append([option["names"].split(", "), option["value"], [option["about"] or ""]])
        elif found and re.match(r" {8}", line):
            found[-1][2].append(line.strip())
        elif found and line.strip():
            break
    return "\n\n".join(
        ", ".join(f"*{escape(name)}*" for name in names) + (f" _{escape(value)}_" if value else "")
        + ("\n\t" + escape(re.sub(r" +", " ", " ".join(about)).strip()) if any(about) else "") for names, value, about in found)


def usage(line):
    """Words as they are typed in bold, names of values underlined."""
    return re.sub(r"--?[a-z][a-z-]*|[a-z][a-z-]*|[A-Z][A-Z]*|[^A-Za-z-]+|-",
                  lambda part: f"_{part[0]}_" if part[0].isupper() else f"*{part[0]}*" if part[0][-1].isalpha() else escape(part[0]),
                  line).replace("**", "").replace("*\\_*", "_")


def command(program, name):
    text = show_help(program, "help", name)
    lines = text.splitlines()
    usages = [line.removeprefix("Usage: ").strip() for line in lines if re.match(r"(Usage: | {7})\w+ ", line)]
    prose = " ".join(line for line in lines[len(usages):] if line and not line.startswith(" "))
    parts = [f"## {name}", "\n".join(usage(line) + "++" for line in usages).removesuffix("++"), escape(prose), options(text)]
    return "\n\n".join(part for part in parts if part)


def commands(program):
    listed = re.search(r"Commands:\n(.*?)\n\n", show_help(program, "--help"), re.DOTALL)[1]
    names = [name for line in listed.splitlines() for name in re.match(r"  (\w+(?: \| \w+)*)", line)[1].split(" | ")]
    return "\n\n".join(command(program, name) for name in names)


def settings(file):
    """Each setting with the value that stands there; the comment in front of it says what it does."""
    with open(file, encoding="utf-8") as lines:
        blocks = re.findall(r"((?:^# .*\n)+)^#?(\w+) = (.*)$", lines.read(), re.MULTILINE)
    return "\n\n".join(f"*{escape(name)}* = _{escape(value)}_\n\t" + escape(" ".join(line.removeprefix("# ") for line in comment.splitlines()))
                       for comment, name, value in blocks)


def markdown(file):
    """The page, its tables as lists of terms: a terminal is too narrow for most of them."""
    with open(file, encoding="utf-8") as lines:
        text = re.sub(r"^\|.*\|\n\|[-|]+\|\n", "", lines.read(), flags=re.MULTILINE)
    cells = re.compile(r"^\| (.*) \|$", re.MULTILINE)
    return cells.sub(lambda row: (lambda term, *rest: f"{term}\n\n: {'; '.join(cell for cell in rest if cell) or '-'}\n")(
        *map(str.strip, row[1].split(" | "))), text)


def main(frame, *named):
    paths = dict(zip(named[::2], named[1::2]))
    fill = {"options": lambda path: options(show_help(path, "--help")), "commands": commands, "settings": settings,
            "markdown": markdown}
    with open(frame, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("@"):
                what, name = line[1:].split()
                line = fill[what](paths[name]) + "\n"
            sys.stdout.write(line)


main(*sys.argv[1:])
