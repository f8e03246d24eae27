// SPDX-License-Identifier: BSD-2-Clause
//! Which QEMU package to take from which Debian suite: a pure decision over `apt-cache policy`.
//!
//! QEMU 10 from `<release>-backports` where that suite is known, else the release's own QEMU, as
//! long as it is at least 7.2. All packages built from QEMU's source must be of one version, so a
//! `qemu-utils` that came from backports decides for backports even when the suite is not in the
//! sources any more.

/// The oldest QEMU that images are tested with.
pub const OLDEST_QEMU: QemuVersion = QemuVersion { major: 7, minor: 2 };

/// The package that holds `qemu-system-aarch64`.
pub const QEMU_PACKAGE: &str = "qemu-system-arm";

/// A QEMU release number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QemuVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl QemuVersion {
    /// Reads the upstream part of a Debian version: `1:7.2+dfsg-7+deb12u18` is 7.2.
    pub fn from_debian(version: &str) -> Option<Self> {
        let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
        let mut numbers = upstream.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|n| n.parse().ok());
        Some(Self {
            major: next()?,
            minor: next()?,
        })
    }

    /// Reads the first line of `qemu-system-aarch64 --version`.
    pub fn from_banner(banner: &str) -> Option<Self> {
        let (_, rest) = banner.split_once("version ")?;
        Self::from_debian(rest.split_whitespace().next()?)
    }
}

impl std::fmt::Display for QemuVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// One version of a package and the suites that offer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The Debian version.
    pub version: String,
    /// Suites such as `bookworm` or `bookworm-backports`; empty if only installed.
    pub suites: Vec<String>,
}

/// What `apt-cache policy PACKAGE` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The installed version.
    pub installed: Option<String>,
    /// All known versions, best first.
    pub offers: Vec<Offer>,
}

impl Policy {
    /// Reads the section on `package` of the output of `apt-cache policy` (C locale).
    pub fn parse(output: &str, package: &str) -> Self {
        let header = format!("{package}:");
        let mut policy = Self::default();
        let section = output
            .lines()
            .skip_while(|line| *line != header)
            .skip(1)
            .take_while(|line| line.starts_with(' '));
        for line in section {
            policy.read_line(line);
        }
        policy
    }

    fn read_line(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Installed:", version] if *version != "(none)" => {
                self.installed = Some((*version).to_owned());
            }
            ["Installed:" | "Candidate:", ..] | ["Version", "table:"] => {}
            // " *** VERSION PRIORITY" or "     VERSION PRIORITY"
            ["***", version, _] | [version, _] if !version.starts_with('/') => {
                if version.chars().all(|c| c.is_ascii_digit()) {
                    return; // "100 /var/lib/dpkg/status"
                }
                self.offers.push(Offer {
                    version: (*version).to_owned(),
                    suites: Vec::new(),
                });
            }
            // "500 URI SUITE/COMPONENT ARCH Packages"
            [_, _, suite, _, "Packages"] => {
                let suite = suite.split('/').next().unwrap_or_default().to_owned();
                if let Some(offer) = self.offers.last_mut() {
                    offer.suites.push(suite);
                }
            }
            _ => {}
        }
    }

    fn offered_by(&self, suite: &str) -> Option<QemuVersion> {
        self.offers
            .iter()
            .filter(|offer| offer.suites.iter().any(|s| s == suite))
            .find_map(|offer| QemuVersion::from_debian(&offer.version))
    }

    /// The best offer of the release itself: its main, updates and security suites.
    fn offered_by_release(&self, release: &str) -> Option<QemuVersion> {
        let own = [
            release.to_owned(),
            format!("{release}-updates"),
            format!("{release}-security"),
        ];
        own.iter().filter_map(|suite| self.offered_by(suite)).max()
    }

    fn suite_of_installed(&self) -> Option<&str> {
        let installed = self.installed.as_ref()?;
        let offer = self
            .offers
            .iter()
            .find(|offer| offer.version == *installed)?;
        offer.suites.first().map(String::as_str)
    }
}

/// What to do in order to have QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Fetch the package lists, then decide again.
    Update,
    /// Add this suite to the sources and fetch its list, then decide again.
    AddSuite {
        /// The suite, such as `bookworm-backports`.
        suite: String,
        /// The reason, for the user.
        why: String,
    },
    /// Install these packages.
    Install {
        /// The target suite, when it is not the default one.
        suite: Option<String>,
        /// The packages.
        packages: Vec<&'static str>,
        /// The reason, for the user.
        why: String,
    },
    /// No known suite has a QEMU that serves.
    Impossible {
        /// The reason, for the user.
        why: String,
    },
}

/// What is known before [`plan`] decides.
#[derive(Debug, Clone, Default)]
pub struct Knowledge<'a> {
    /// The release's code name, such as `bookworm`.
    pub release: &'a str,
    /// The policy of [`QEMU_PACKAGE`].
    pub system: Policy,
    /// The policy of `qemu-utils`.
    pub utils: Policy,
    /// Whether the package lists were fetched by us, so that asking again is pointless.
    pub updated: bool,
    /// Whether the backports suite was added by us, so that adding it again is pointless.
    pub suite_added: bool,
}

/// Decides where QEMU comes from.
pub fn plan(know: &Knowledge<'_>) -> Plan {
    let backports = format!("{}-backports", know.release);
    if let Some(version) = know
        .system
        .offered_by(&backports)
        .filter(|v| *v >= OLDEST_QEMU)
    {
        return know.install(Some(&backports), format!("{backports} has QEMU {version}"));
    }
    if let Some(plan) = know.match_installed_utils(&backports) {
        return plan;
    }
    match know.system.offered_by_release(know.release) {
        Some(version) if version >= OLDEST_QEMU => know.install(
            None,
            format!(
                "{} has QEMU {version}, and its backports suite is not in use",
                know.release
            ),
        ),
        _ if !know.updated => Plan::Update,
        Some(version) => Plan::Impossible {
            why: format!(
                "{} has QEMU {version}, but {OLDEST_QEMU} is needed",
                know.release
            ),
        },
        None => Plan::Impossible {
            why: format!("no configured package source offers {QEMU_PACKAGE}"),
        },
    }
}

impl Knowledge<'_> {
    /// An installed `qemu-utils` that is not the release's own forces its suite upon us.
    fn match_installed_utils(&self, backports: &str) -> Option<Plan> {
        let installed = self.utils.installed.as_deref()?;
        let version = QemuVersion::from_debian(installed)?;
        if self
            .utils
            .offered_by_release(self.release)
            .is_some_and(|own| own >= version)
        {
            return None;
        }
        let why = format!(
            "qemu-utils {version} is installed, and QEMU's packages must all be of one version"
        );
        match self.utils.suite_of_installed() {
            Some(suite) if self.system.offered_by(suite).is_some() => {
                Some(self.install(Some(suite), why))
            }
            _ if !self.updated => Some(Plan::Update),
            _ if installed.contains("~bpo") && !self.suite_added => Some(Plan::AddSuite {
                suite: backports.to_owned(),
                why,
            }),
            _ => Some(Plan::Impossible {
                why: format!("{why}, but no configured package source has {installed}"),
            }),
        }
    }

    fn install(&self, suite: Option<&str>, why: String) -> Plan {
        let mut packages = vec![QEMU_PACKAGE];
        if self.utils.installed.is_some() {
            packages.push("qemu-utils");
        }
        Plan::Install {
            suite: suite.map(str::to_owned),
            packages,
            why,
        }
    }
}

#[cfg(test)]
mod tests;
