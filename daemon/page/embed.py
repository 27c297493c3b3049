"""Makes the live page one file and that file a C array:  embed.py page.html page.css page.js OUTPUT

Style and script are put into the page; the policy that goes with it allows these two, by their hash, and nothing else."""

import base64
import hashlib
import re
import sys

html, css, js = (open(name, encoding="utf-8").read() for name in sys.argv[1:4])


def allowed(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


page = html.replace('<link rel="stylesheet" href="page.css">', f"<style>{css}</style>")
page = page.replace('<script src="page.js"></script>', f"<script>{js}</script>")
assert not re.search(r'(src|href)="(?!data:)', page), "the page loads nothing"
policy = (f"default-src 'none'; style-src {allowed(css)}; script-src {allowed(js)}; img-src data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
data = page.encode()
with open(sys.argv[4], "w", encoding="ascii") as output:
    output.write('#include "daemon/page/page.h"\n\nconst unsigned char lt_page[] = {\n')
    for start in range(0, len(data), 20):
        output.write("".join(f"{byte}," for byte in data[start:start + 20]) + "\n")
    output.write(f'}};\nconst size_t lt_page_bytes = sizeof lt_page;\nconst char lt_page_policy[] = "{policy}";\n')
