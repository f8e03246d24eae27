// SPDX-License-Identifier: BSD-2-Clause
//! APT package sources: finding the release's own entry and deriving one for its backports suite.
//!
//! The mirror, components and keyring are those the machine already trusts; nothing is added but
//! the name of the suite.

use std::fmt::Write;

/// One entry of `sources.list` or of a deb822 `.sources` file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Archive URIs.
    pub uris: Vec<String>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Keyring path, if named.
    pub signed_by: Option<String>,
}

/// Reads the one-line format of `sources.list`.
pub fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb ")?.trim_start();
    let mut source = Source::default();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, tail) = options.split_once(']')?;
        source.signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned);
        rest = tail.trim_start();
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    source.uris.push(words.next()?);
    source.suites.push(words.next()?);
    source.components.extend(words);
    Some(source)
}

/// Reads the deb822 format of `.sources` files.
pub fn parse_deb822(text: &str) -> Vec<Source> {
    let without_comments: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim_end)
        .collect();
    without_comments
        .split(|line| line.is_empty())
        .filter_map(parse_stanza)
        .collect()
}

fn parse_stanza(lines: &[&str]) -> Option<Source> {
    let field = |name: &str| {
        lines.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let words = |name| -> Vec<String> {
        field(name)
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    let enabled = !field("Enabled").is_some_and(|v| v.eq_ignore_ascii_case("no"));
    let binary = words("Types").iter().any(|t| t == "deb");
    (enabled && binary).then(|| Source {
        uris: words("URIs"),
        suites: words("Suites"),
        components: words("Components"),
        signed_by: field("Signed-By")
            .filter(|v| !v.is_empty())
            .map(str::to_owned),
    })
}

/// The `.sources` entry for `<release>-backports`, from the entry that provides `release` itself.
pub fn derive_backports(sources: &[Source], release: &str) -> Option<String> {
    let own = sources.iter().find(|source| {
        source.suites.iter().any(|suite| suite == release)
            && source
                .components
                .iter()
                .any(|component| component == "main")
    })?;
    let mut text = String::from("# Added by Bulkhead: QEMU from the backports suite.\n");
    let mut field = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        writeln!(text, "{name}: {value}").unwrap_or_default();
    };
    field("Types", "deb");
    field("URIs", &own.uris.join(" "));
    field("Suites", &format!("{release}-backports"));
    field("Components", "main");
    if let Some(keyring) = &own.signed_by {
        field("Signed-By", keyring);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb
# a comment between fields
URIs: http://mirror/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://other/debian
Suites: bookworm
Components: main
";

    #[test]
    fn derives_from_the_machines_own_entry() {
        let sources = parse_deb822(DEB822);
        assert_eq!(sources.len(), 2);
        let entry = derive_backports(&sources, "bookworm").unwrap();
        assert!(entry.contains("URIs: http://mirror/debian\n"), "{entry}");
        assert!(entry.contains("Suites: bookworm-backports\n"), "{entry}");
        assert!(
            entry.contains("Signed-By: /usr/share/keyrings/debian-archive"),
            "{entry}"
        );
        assert_eq!(parse_deb822(&entry)[0].suites, ["bookworm-backports"]);
    }

    #[test]
    fn reads_one_line_entries_with_options() {
        let text = "# deb http://no/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian bookworm main contrib\n\
                    deb-src http://mirror/debian bookworm main\n";
        let sources = parse_list(text);
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].signed_by.as_deref(), Some("/k.gpg"));
        assert_eq!(sources[0].components, ["main", "contrib"]);
        assert!(derive_backports(&sources, "bookworm").is_some());
        assert!(derive_backports(&sources, "trixie").is_none());
    }
}
