"""The names of emoji in English and Chinese, for the cleaning step `emoji`.

Makes: emoji.tsv beside this script (sequence, presentation, English name, Chinese name; header lines begin with "#").
Run:   npm pack cldr-annotations-full cldr-annotations-derived-full emojibase-data
       mkdir X && for each tarball: mkdir X/NAME && tar xzf NAME-VERSION.tgz -C X/NAME
       python crates/nuwa-clean/data/make_emoji.py X
Versions used: cldr-annotations-full and cldr-annotations-derived-full 48.2.0, emojibase-data 17.0.0, Python 3.11

The names are CLDR's (`tts`), under the Unicode License v3 (LICENSE-UNICODE beside this file); which sequences there are,
and which of them are text by default, is from emojibase-data (MIT), made of Unicode's emoji-data.txt.

Skin tones and the variation selector U+FE0F are left out of the sequences: the step leaves them out too before it looks a
sequence up. A keycap is named by its key; "flag: X" becomes "flag of X" and "X旗帜"; of families and couples only what
they are is named, not who is in them.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
SELECTOR = "\N{VARIATION SELECTOR-16}"
PEOPLE = ("family", "kiss", "couple with heart", "家庭", "亲吻", "情侣")


def bare(sequence):
    return "".join(character for character in sequence if character != SELECTOR and character not in TONES)


def annotations(folder, language):
    for package, part, key in [
        ("cldr-annotations-derived-full", "annotationsDerived", "annotationsDerived"),
        ("cldr-annotations-full", "annotations", "annotations"),
    ]:
        path = folder / package / "package" / part / language / "annotations.json"
        for sequence, names in json.loads(path.read_text())[key]["annotations"].items():
            if "tts" in names:
                yield sequence, names["tts"][0]


def told(name, language):
    """A CLDR name as it is said within a sentence."""
    head, colon, tail = name.partition(": ")
    if not colon:
        return name
    if head in ("keycap", "按键"):
        return tail
    if head in ("flag", "旗"):
        return f"flag of {tail}" if language == "en" else f"{tail}旗帜"
    if head in PEOPLE:
        return head
    return f"{head}, {tail}" if language == "en" else f"{head}（{tail}）"


def names(folder, language):
    found = {}
    for sequence, name in annotations(folder, language):
        toned = any(character in TONES for character in sequence)
        if toned and len(sequence) > 1:
            found.setdefault(bare(sequence), told(name.rpartition(": ")[0], language))
        else:
            found[bare(sequence)] = told(name, language)
    return found


def emoji(folder):
    """Each emoji with its presentation: "e" for emoji, "t" for text unless a selector follows."""
    data = json.loads((folder / "emojibase-data/package/en/data.json").read_text())
    found = {}
    for one in data:
        for form in [one, *one.get("skins", [])]:
            sequence = bare(form["emoji"])
            if sequence and "order" in one:  # single halves of flags have no order
                found.setdefault(sequence, "t" if form["type"] == 0 else "e")
    return found


def main():
    folder = Path(sys.argv[1])
    english, chinese = names(folder, "en"), names(folder, "zh")
    lines = [
        "# Names of emoji: sequence, presentation (e: emoji, t: text unless a selector follows), English, Chinese.",
        "# Made by make_emoji.py from Unicode CLDR 48.2, Unicode License v3 (LICENSE-UNICODE).",
    ]
    missing = 0
    for sequence, presentation in sorted(emoji(folder).items()):
        if sequence not in english:
            missing += 1
            continue
        lines.append("\t".join([sequence, presentation, english[sequence], chinese.get(sequence, english[sequence])]))
    (HERE / "emoji.tsv").write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 2} emoji, {missing} without a name")


if __name__ == "__main__":
    main()
