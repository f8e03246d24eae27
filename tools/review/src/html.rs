// SPDX-License-Identifier: BSD-2-Clause
//! HTML pages that need nothing but themselves.

/// `text` for HTML and XML, as text or in an attribute.
#[must_use]
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Reads on screens and on paper; no colour carries meaning alone.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1a1a1a}\
h1{font-size:1.5rem;margin:0 0 .5rem}h2{font-size:1.1rem;margin:2rem 0 .4rem;border-bottom:1px solid #999}\
table{border-collapse:collapse;width:100%;font-size:.82rem}th,td{border:1px solid #bbb;padding:.2rem .4rem;text-align:left;\
vertical-align:top;overflow-wrap:break-word}th{background:#eee}.verdict{border:2px solid #333;padding:.8rem 1rem;margin:1rem 0}\
.fail{border-color:#a00;background:#fff3f3}.pass{border-color:#060;background:#f4fbf4}\
.open{border-color:#850;background:#fffbf0}.Fail td{font-weight:bold}td{background:#fff}.figure svg{display:block}.origin{color:#444;font-size:.85rem;margin:.2rem 0}\
svg{max-width:100%;height:auto}code{font-size:.9em}\
@page{size:A4 landscape;margin:12mm}\
@media print{body{margin:0;padding:0;max-width:none;font-size:9pt}tr{break-inside:avoid}thead{display:table-header-group}\
h2,.origin{break-after:avoid}table{font-size:7.5pt}.figure{break-before:page}.figure svg{zoom:.55;break-before:avoid}a{color:inherit;text-decoration:none}}";

/// A whole page.
#[must_use]
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{}</title><style>{STYLE}</style></head><body>\n{body}</body></html>\n",
        escape(title)
    )
}
