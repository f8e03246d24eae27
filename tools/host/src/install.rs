// SPDX-License-Identifier: BSD-2-Clause
//! Installing Debian packages and Rust components, with retries where they can help.

use std::path::Path;
use std::time::Duration;

use crate::apt::{self, Knowledge, Plan, Policy, QEMU_PACKAGE};
use crate::failure::{Failure, Outcome};
use crate::job::{self, Job, Ran};
use crate::machine;
use crate::provision::Need;
use crate::sources;
use crate::ui::{Ui, elapsed};

/// Where the derived entry for the backports suite goes.
const SOURCES_ENTRY: &str = "/etc/apt/sources.list.d/bulkhead-backports.sources";
/// How often a command is tried when the cause may go away.
const TRIES: usize = 4;
/// How long to wait between tries.
const PAUSE: Duration = Duration::from_secs(15);
/// A command that takes longer than this is stuck.
const LIMIT: Duration = Duration::from_secs(1200);

/// Why an `apt-get` command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Another package manager runs.
    Locked,
    /// The mirror could not be reached or a file on it has gone.
    Download,
    /// No space left.
    Full,
    /// Anything else.
    Other,
}

impl Cause {
    fn of(stderr: &str) -> Self {
        let has = |needles: &[&str]| needles.iter().any(|needle| stderr.contains(needle));
        if has(&[
            "Could not get lock",
            "Unable to lock",
            "is another process using it",
        ]) {
            Self::Locked
        } else if has(&["No space left", "enough free space"]) {
            Self::Full
        } else if has(&[
            "Failed to fetch",
            "Temporary failure resolving",
            "Unable to fetch",
        ]) {
            Self::Download
        } else {
            Self::Other
        }
    }

    fn may_go_away(self) -> bool {
        matches!(self, Self::Locked | Self::Download)
    }

    fn help(self) -> &'static str {
        match self {
            Self::Locked => "another package manager holds the lock: let it finish, then run again",
            Self::Download => "check the network and the package sources, then run again",
            Self::Full => "free some space (apt-get clean helps), then run again",
            Self::Other => "run that command by hand to see all of its output",
        }
    }
}

/// One `apt-get` command line.
type Words = Vec<String>;

fn words(text: &str) -> Words {
    text.split(' ').map(str::to_owned).collect()
}

fn update() -> Words {
    words("apt-get update -q -o Acquire::Retries=3")
}

fn install(suite: Option<&str>, packages: &[&str]) -> Words {
    let mut command = words("apt-get install -q -y --no-install-recommends");
    command.extend(words("-o Acquire::Retries=3 -o DPkg::Lock::Timeout=120"));
    if let Some(suite) = suite {
        command.extend(["-t".to_owned(), suite.to_owned()]);
    }
    command.extend(packages.iter().map(|p| (*p).to_owned()));
    command
}

/// Installs the Debian packages behind `needs`.
pub(crate) fn packages(ui: &Ui, needs: &[&Need]) -> Outcome<()> {
    if needs.is_empty() {
        return Ok(());
    }
    let Some(release) = machine::debian_release() else {
        return Err(not_debian(needs));
    };
    let plain: Vec<&str> = needs
        .iter()
        .filter_map(|need| plain_package(need))
        .collect();
    let qemu = needs.iter().any(|need| **need == Need::Qemu);
    if !machine::is_root() {
        return Err(needs_root(&release, &plain, qemu));
    }
    if !plain.is_empty() {
        install_plain(ui, &plain)?;
    }
    if qemu {
        install_qemu(ui, &release)
    } else {
        Ok(())
    }
}

fn plain_package(need: &Need) -> Option<&'static str> {
    match need {
        Need::Program { package, .. } | Need::Library { package, .. } => Some(package),
        _ => None,
    }
}

fn not_debian(needs: &[&Need]) -> Failure {
    let mut failure = Failure::environment("packages are missing, and this is not Debian");
    for need in needs {
        failure = failure.help(format!("install {}", need.describe()));
    }
    failure
}

fn install_plain(ui: &Ui, packages: &[&str]) -> Outcome<()> {
    ui.say(&format!("installing {}", packages.join(", ")));
    let command = install(None, packages);
    // The lists of a fresh machine are empty or old: one update, one more try.
    if apt_get(ui, &command).is_ok() {
        return Ok(());
    }
    apt_get(ui, &update())?;
    apt_get(ui, &command)
}

fn install_qemu(ui: &Ui, release: &str) -> Outcome<()> {
    let mut know = Knowledge {
        release,
        ..Knowledge::default()
    };
    loop {
        read_policies(&mut know)?;
        match apt::plan(&know) {
            Plan::Update => {
                ui.say("fetching the package lists");
                apt_get(ui, &update())?;
                know.updated = true;
            }
            Plan::AddSuite { suite, why } => {
                ui.say(&format!(
                    "adding the suite {suite} ({why}) as {SOURCES_ENTRY}"
                ));
                add_suite(release)?;
                apt_get(ui, &update())?;
                know.suite_added = true;
            }
            Plan::Install {
                suite,
                packages,
                why,
            } => {
                ui.say(&format!("installing {} ({why})", packages.join(", ")));
                match apt_get(ui, &install(suite.as_deref(), &packages)) {
                    Err(_) if !know.updated => know.updated = refresh(ui)?,
                    done => return done,
                }
            }
            Plan::Impossible { why } => return Err(impossible(&why)),
        }
    }
}

/// Fetches the lists because a package they name has gone from the mirror.
fn refresh(ui: &Ui) -> Outcome<bool> {
    ui.say("that failed; fetching the package lists and trying once more");
    apt_get(ui, &update()).map(|()| true)
}

fn impossible(why: &str) -> Failure {
    Failure::environment(format!("no usable QEMU: {why}")).help(format!(
        "install {} by hand and run again",
        Need::Qemu.describe()
    ))
}

fn read_policies(know: &mut Knowledge<'_>) -> Outcome<()> {
    let output = Job::new("apt-cache")
        .args(["policy", QEMU_PACKAGE, "qemu-utils"])
        .env("LC_ALL", "C")
        .run(&Ui::silent(), "apt-cache")?
        .stdout;
    know.system = Policy::parse(&output, QEMU_PACKAGE);
    know.utils = Policy::parse(&output, "qemu-utils");
    Ok(())
}

fn backports_entry(release: &str) -> Outcome<String> {
    sources::derive_backports(&machine::package_sources(), release).ok_or_else(|| {
        impossible(&format!(
            "no package source of this machine provides {release} itself"
        ))
    })
}

fn add_suite(release: &str) -> Outcome<()> {
    crate::output::write(
        Path::new(SOURCES_ENTRY),
        backports_entry(release)?.as_bytes(),
    )?;
    use std::os::unix::fs::PermissionsExt;
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(SOURCES_ENTRY, readable)
        .map_err(|e| Failure::io("make readable", Path::new(SOURCES_ENTRY), &e))
}

/// Runs one command, again while its failure may go away.
fn apt_get(ui: &Ui, command: &Words) -> Outcome<()> {
    retry(
        || {
            Job::new(&command[0])
                .args(&command[1..])
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("LC_ALL", "C")
                .limit(LIMIT)
                .run(ui, &command[..2].join(" "))
        },
        |cause| {
            ui.say(&format!(
                "  {cause:?}: trying again in {} s",
                PAUSE.as_secs()
            ));
            std::thread::sleep(PAUSE);
        },
    )
    .map(|ran| {
        ui.say(&format!(
            "  {} done in {}",
            command[..2].join(" "),
            elapsed(ran.time)
        ))
    })
    .map_err(|failure| failure.note(format!("the command was: {}", shell_line(command))))
}

fn retry(mut run: impl FnMut() -> Outcome<Ran>, mut pause: impl FnMut(Cause)) -> Outcome<Ran> {
    for attempt in 1.. {
        let ran = run()?;
        if ran.succeeded() && !ran.stderr.contains("Failed to fetch") {
            return Ok(ran);
        }
        let cause = Cause::of(&ran.stderr);
        if attempt >= TRIES || !cause.may_go_away() || ran.timed_out {
            return Err(explain(&ran, cause));
        }
        pause(cause);
    }
    Err(Failure::environment("tried too often"))
}

fn explain(ran: &Ran, cause: Cause) -> Failure {
    let what = if ran.timed_out {
        "took too long and was ended"
    } else {
        "failed"
    };
    let mut failure = Failure::environment(format!("installing packages {what}"));
    for line in ran.last_lines(5) {
        failure = failure.note(line);
    }
    failure.help(cause.help())
}

fn shell_line(command: &Words) -> String {
    command
        .iter()
        .map(|word| job::quote(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What somebody with root's powers has to run, as one line.
fn needs_root(release: &str, plain: &[&str], qemu: bool) -> Failure {
    let mut know = Knowledge {
        release,
        updated: true,
        ..Knowledge::default()
    };
    // Without policies the plan falls back to the release's own package.
    read_policies(&mut know).unwrap_or_default();
    let line = root_line(&know, plain, qemu, || backports_entry(release).ok());
    Failure::environment("installing packages needs root, which we are not")
        .help(format!("run once: sudo sh -c {}", job::quote(&line)))
        .help("then run this command again")
}

fn root_line(
    know: &Knowledge<'_>,
    plain: &[&str],
    qemu: bool,
    entry: impl Fn() -> Option<String>,
) -> String {
    let mut parts = Vec::new();
    let mut install_parts = Vec::new();
    if !plain.is_empty() {
        install_parts.push(shell_line(&install(None, plain)));
    }
    if qemu {
        let (suite, packages) = match apt::plan(know) {
            Plan::Install {
                suite, packages, ..
            } => (suite, packages),
            Plan::AddSuite { suite, .. } => {
                let lines = entry().unwrap_or_default();
                let quoted: Vec<_> = lines.lines().map(job::quote).collect();
                parts.push(format!(
                    "printf \"%s\\n\" {} > {SOURCES_ENTRY}",
                    quoted.join(" ")
                ));
                (Some(suite), vec![QEMU_PACKAGE, "qemu-utils"])
            }
            Plan::Update | Plan::Impossible { .. } => (None, vec![QEMU_PACKAGE]),
        };
        install_parts.push(shell_line(&install(suite.as_deref(), &packages)));
    }
    parts.push(shell_line(&update()));
    parts.extend(install_parts);
    parts.join(" && ")
}

/// Runs `rustup` with `words`.
pub(crate) fn rustup(ui: &Ui, words: impl Iterator<Item = &'static str>) -> Outcome<()> {
    let words: Vec<_> = words.collect();
    let line = format!("rustup {}", words.join(" "));
    ui.say(&format!("running {line}"));
    if machine::which("rustup").is_none() {
        return Err(
            Failure::environment(format!("cannot run {line}: there is no rustup"))
                .help("install the toolchain through rustup, or add this part to yours by hand"),
        );
    }
    let ran = retry(
        || Job::new("rustup").args(&words).limit(LIMIT).run(ui, &line),
        |_| std::thread::sleep(PAUSE),
    )
    .map_err(|_| {
        Failure::environment(format!("{line} failed"))
            .help("check the network, then run that command by hand to see why")
    })?;
    ui.say(&format!("  done in {}", elapsed(ran.time)));
    Ok(())
}

#[cfg(test)]
mod tests;
