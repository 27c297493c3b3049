"""What was measured, for people: a table on the terminal, and docs/BENCHMARKS.md."""

HEAD = ["id", "what", "ours", "peer", "ratio", "target", ""]


def number(value):
    """Three significant digits, or whole from a hundred on."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def peer_text(row):
    if row.peer_name is None:
        return "-"
    return row.peer_name if row.peer is None else f"{number(row.peer)} ({row.peer_name})"


def cells(row):
    return [row.id, row.what, f"{number(row.ours)} {row.unit}", peer_text(row), number(row.ratio), row.target, row.verdict]


def summary(rows):
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("met", "missed", "not counted", "reported")}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def machine_lines(machine):
    gibibytes = machine["memory_bytes"] / 2**30
    lines = [f"{machine['processor']} ({machine['processor_model']}), {machine['cores']} cores, {gibibytes:.1f} GiB; "
             f"{machine['system']}, Linux {machine['kernel']}; load {machine['load']:.2f} before the run",
             f"{machine['latentd']}, commit {machine['commit']}, {machine['compiler']}"]
    peers = [f"{name} {machine[name]}" for name in ("node-llama-cpp", "redis") if machine[name]]
    return lines + ([f"peers: {', '.join(peers)}"] if peers else [])


def threads_text(result):
    """Whichever number was faster, which llama-cpp.mjs tries."""
    kinds = ", ".join(f"{count} for {kind}" for kind, count in result["llama_threads"].items())
    return f"; llama.cpp threads, whichever were faster: {kinds}" if kinds else ""


def as_text(result, rows):
    table = [HEAD] + [cells(row) for row in rows]
    for line in table:
        line.pop(1)  # the notes below say more, and a terminal is narrow
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", *(f"{row.id}: {row.note}" for row in rows if row.note), *missing_lines(result), "", summary(rows)]
    return "\n".join([*machine_lines(result["machine"]), "", *lines])


def missing_lines(result):
    return [f"not measured: {reason}" for reason in result["missing"].values()]


def as_markdown(result, rows, plots):
    model = result["model"]
    lines = [
        "# Benchmarks", "",
        f"Written by `{result['command']}` on {result['date']}; not to be edited by hand.",
        f"All sides were measured in that run, by turns. Figures are medians of {result['repetitions']} repetitions, counts and sizes",
        "were taken once. A ratio above 1 means that latentd is better. A target that is missed stays here as missed.",
        "`tests/bench/bench` has the code of every row.", "",
        *(f"- {line}" for line in machine_lines(result["machine"])),
        f"- model {model['name']}: {model['parameters'] / 1e6:.2f} M parameters, context {model['context_tokens']:,} tokens, so documents have "
        f"{result['document_tokens']:,} here where the targets speak of 2,048; {result['tokens_per_span']:.1f} tokens a span in the texts used",
        f"- peer model: {result['peer_model']}, of the same size and precision{threads_text(result)}", "",
        f"**{summary(rows)}**", "",
        "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD),
        *("| " + " | ".join(markdown_cells(row)) + " |" for row in rows), "",
        *(f"- {line}" for line in missing_lines(result)), "",
        "## Notes", "",
        *(f"- `{row.id}`: {row.note}." for row in rows if row.note), "",
        "## Plots", "",
        *(f"![{name}]({name}.svg)" for name in plots), ""]
    return "\n".join(lines)


def markdown_cells(row):
    id, what, *others, verdict = cells(row)
    return [f"`{id}`", what, *others, f"**{verdict}**" if row.met is not None else verdict]
