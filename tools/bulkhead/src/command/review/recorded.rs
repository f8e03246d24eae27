// SPDX-License-Identifier: BSD-2-Clause
//! Items that are recorded from the tree, the SDK and files that the user gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use host::job::Job;
use host::{Failure, Outcome};
use pack::names;
use review::Package;
use review::findings::Hash;
use review::model::Target;
use review::tcb::{Part, SOURCES, count};
use sdf::System;
use serde_json::Value;

use super::built::Built;
use crate::cargo;
use crate::cli::ReviewArgs;
use crate::command::audit::read;
use crate::context::Context;
use crate::kernel::Kernel;

/// Where recorded items come from.
pub(super) struct Sources<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a ReviewArgs,
    pub(super) kernel: &'a Kernel,
    pub(super) target: &'a Target,
    pub(super) system: &'a System,
    pub(super) name: &'a str,
}

impl Sources<'_> {
    /// All of them.
    pub(super) fn gather(&self, built: Option<&Built>) -> Outcome<Package> {
        let mut out = Package::default();
        self.given(&mut out)?;
        if let Kernel::Sel4(sdk) = self.kernel {
            let folder = sdk.board(&self.target.board, &self.target.config)?;
            let config = read(&folder.join("include/kernel/gen_config.json"))?;
            out.put(review::curated::GEN_CONFIG, config);
        }
        let metadata = self.metadata(".", &["--no-deps"])?;
        let parts = self.parts(&metadata)?;
        if !parts.is_empty() {
            put(&mut out, SOURCES, &serde_json::json!(parts));
        }
        let images = match self.kernel {
            Kernel::Sel4(_) => "images/sel4",
            Kernel::Dev => "images/dev",
        };
        let lock = fs::read_to_string(self.context.root.join(images).join("Cargo.lock"))
            .unwrap_or_default();
        let resolved = self.metadata(images, &[])?;
        let files = built
            .map(|built| files(&built.folder))
            .transpose()?
            .unwrap_or_default();
        put(
            &mut out,
            "60-sbom.cdx.json",
            &review::sbom(self.name, &resolved, &lock, &files),
        );
        if let Some(built) = built {
            self.of_image(built, &files, &mut out)?;
        }
        Ok(out)
    }

    /// What the user gives, and what is recorded in the tree.
    fn given(&self, out: &mut Package) -> Outcome<()> {
        for (given, name) in [
            (&self.args.tests, review::results::TESTS),
            (&self.args.bench, review::results::BENCH),
        ] {
            if let Some(path) = given {
                out.put(name, read(path)?);
            }
        }
        let mutants = self.context.root.join("tests/mutants.json");
        if mutants.is_file() {
            out.put(review::results::MUTANTS, read(&mutants)?);
        }
        Ok(())
    }

    fn of_image(&self, built: &Built, files: &[Hash], out: &mut Package) -> Outcome<()> {
        let (image, given): (Vec<Hash>, Vec<Hash>) = files
            .iter()
            .cloned()
            .partition(|it| it.part == names::IMAGE);
        let parts: Vec<Hash> = built
            .findings
            .hashes
            .iter()
            .filter(|it| it.part != "image")
            .cloned()
            .collect();
        let measured: Vec<Hash> = image.iter().chain(&parts).cloned().collect();
        put(
            out,
            "66-boot-measure.json",
            &review::boot_measure(&measured, &given),
        );
        if let Some(again) = &self.args.again {
            out.put("63-reproduce.log", reproduced(files, again)?);
        }
        let statement = review::provenance(self.target, self.name, &image, &self.materials()?);
        out.put("62-provenance.intoto.jsonl", format!("{statement}\n"));
        Ok(())
    }

    /// The commit, the lists of dependencies, and the SDK's files.
    fn materials(&self) -> Outcome<Vec<Hash>> {
        let root = &self.context.root;
        let ran = Job::new("git")
            .args([
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
                "--exclude=*",
            ])
            .in_folder(root)
            .run(&self.context.ui, "git describe")?;
        let mut out = vec![Hash {
            part: "the source tree".to_owned(),
            len: 0,
            sha256: ran.stdout.trim().to_owned(),
        }];
        for name in ["images/dev/Cargo.lock", "images/sel4/Cargo.lock"] {
            out.push(Hash::of(name, &read(&root.join(name))?));
        }
        if let Kernel::Sel4(sdk) = self.kernel {
            let folder = sdk
                .board(&self.target.board, &self.target.config)?
                .join("elf");
            for name in ["sel4.elf", "loader.elf", "initialiser.elf", "monitor.elf"] {
                out.push(Hash::of(
                    &format!("SDK: {name}"),
                    &read(&folder.join(name))?,
                ));
            }
            out.push(Hash::of("SDK: microkit", &read(&sdk.tool())?));
        }
        Ok(out)
    }

    fn metadata(&self, folder: &str, args: &[&str]) -> Outcome<Value> {
        let all = ["metadata", "--locked", "--format-version", "1"];
        let all: Vec<&str> = all.iter().chain(args).copied().collect();
        let folder = self.context.root.join(folder);
        let ran = cargo::job(&folder, &all).run(&self.context.ui, "cargo metadata")?;
        serde_json::from_str(&ran.stdout).map_err(|error| {
            Failure::environment(format!(
                "cannot read what cargo says about {}: {error}",
                folder.display()
            ))
        })
    }

    /// The crates of each program that this tree has the source of.
    fn parts(&self, metadata: &Value) -> Outcome<Vec<Part>> {
        let tree = Tree::of(metadata);
        let images = self
            .system
            .pds
            .iter()
            .map(|pd| pd.image.path.value.as_str());
        let names: BTreeSet<&str> = images
            .filter_map(|image| image.strip_suffix(".elf"))
            .collect();
        let mut out = Vec::new();
        for name in names {
            let main = self
                .context
                .root
                .join("images/pds")
                .join(format!("{name}.rs"));
            let Ok(text) = fs::read_to_string(&main) else {
                continue;
            };
            let Some(logic) = logic(&text) else { continue };
            for part in tree.closure(&[&logic, "runtime"]) {
                let counted = tree
                    .sources
                    .get(&part)
                    .map(|folder| lines(folder))
                    .transpose()?;
                out.push(Part {
                    program: format!("{name}.elf"),
                    part,
                    lines: counted.map(|(lines, _)| lines),
                    unsafe_uses: counted.map(|(_, uses)| uses),
                });
            }
        }
        Ok(out)
    }
}

fn put(out: &mut Package, name: &str, value: &Value) {
    out.put(name, format!("{value:#}\n"));
}

/// The hashes of what a build left, in order; the distribution is in the package itself.
fn files(folder: &Path) -> Outcome<Vec<Hash>> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("read", folder, &e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_part = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ["elf", "bin", "img"].contains(&ending))
    };
    paths.retain(is_part);
    let hash = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Hash::of(&name, &read(path)?))
    };
    paths.iter().map(hash).collect()
}

/// What says that `again` holds the same files byte for byte.
///
/// # Errors
/// It does not: then there is nothing to be recorded.
fn reproduced(built: &[Hash], again: &Path) -> Outcome<String> {
    let second = files(again)?;
    let names = built.iter().chain(&second).map(|it| it.part.as_str());
    let find = |all: &[Hash], name: &str| all.iter().find(|it| it.part == name).cloned();
    let differ: BTreeSet<&str> = names
        .filter(|name| find(built, name) != find(&second, name))
        .collect();
    if !differ.is_empty() {
        let place = again.display();
        let failure = Failure::input(format!("what was built is not what is in {place}"));
        return Err(differ
            .into_iter()
            .fold(failure, |failure, name| {
                failure.note(format!("{name} differs"))
            })
            .help(
                "build both from clean clones of one commit, for the same kernel and configuration",
            ));
    }
    let lines = built
        .iter()
        .map(|it| format!("{}  {}\n", it.sha256, it.part));
    let head = format!(
        "{} files, the same in two builds from two clones:\n",
        built.len()
    );
    Ok(std::iter::once(head).chain(lines).collect())
}

/// The crate that a program's main file runs: `port::protection_domain!(krate::Type);`.
fn logic(main: &str) -> Option<String> {
    let (_, rest) = main.split_once("protection_domain!(")?;
    Some(rest.split("::").next()?.trim().replace('_', "-"))
}

/// The crates of the tree and what they need.
struct Tree {
    sources: BTreeMap<String, PathBuf>,
    needs: BTreeMap<String, Vec<String>>,
}

impl Tree {
    fn of(metadata: &Value) -> Self {
        let mut tree = Self {
            sources: BTreeMap::new(),
            needs: BTreeMap::new(),
        };
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let name = package["name"].as_str().unwrap_or_default().to_owned();
            let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
            let folder = manifest.parent().unwrap_or(Path::new("")).join("src");
            tree.sources.insert(name.clone(), folder);
            let all = package["dependencies"].as_array().into_iter().flatten();
            let used = all.filter(|it| it["kind"].is_null() && it["optional"] != true);
            let names = used.filter_map(|it| Some(it["name"].as_str()?.to_owned()));
            tree.needs.insert(name, names.collect());
        }
        tree
    }

    /// `starts` and everything that they need, those of the registry by name.
    fn closure(&self, starts: &[&str]) -> BTreeSet<String> {
        let mut open: Vec<String> = starts.iter().map(|&name| name.to_owned()).collect();
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            if found.insert(name.clone()) {
                open.extend(self.needs.get(&name).into_iter().flatten().cloned());
            }
        }
        found
    }
}

/// Lines and uses of `unsafe` in all sources below `folder` that are no tests.
fn lines(folder: &Path) -> Outcome<(u64, u64)> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io("read", folder, &e))?;
    let mut sum = (0, 0);
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (code, uses) = match path.extension() {
            _ if name.ends_with("tests") => continue,
            None if path.is_dir() => lines(&path)?,
            Some(ending) if ending == "rs" => count(&String::from_utf8_lossy(&read(&path)?)),
            _ => continue,
        };
        sum = (sum.0 + code, sum.1 + uses);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_build_is_the_same_or_said_to_differ() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.elf"), "one").unwrap();
        fs::write(folder.path().join("report.txt"), "no part").unwrap();
        let built = files(folder.path()).unwrap();
        let log = reproduced(&built, folder.path()).unwrap();
        assert!(
            log.starts_with("1 files, the same") && log.ends_with("  a.elf\n"),
            "{log}"
        );
        fs::write(folder.path().join("b.bin"), "more").unwrap();
        fs::write(folder.path().join("a.elf"), "two").unwrap();
        let failure = reproduced(&built, folder.path()).unwrap_err().to_string();
        assert!(
            failure.contains("a.elf differs") && failure.contains("b.bin differs"),
            "{failure}"
        );
    }

    #[test]
    fn the_logic_of_a_main_file_is_its_crate() {
        let main = "#![no_std]\nport::protection_domain!(virtio_console::Console);\n";
        assert_eq!(logic(main).as_deref(), Some("virtio-console"));
        assert_eq!(logic("fn main() {}"), None);
    }

    #[test]
    fn what_crates_need_is_followed_to_the_end() {
        let dependency =
            |name: &str| serde_json::json!({ "name": name, "kind": null, "optional": false });
        let package = |name: &str, needs: &[&str]| {
            let needs: Vec<Value> = needs.iter().map(|name| dependency(name)).collect();
            serde_json::json!({ "name": name, "manifest_path": format!("{name}/Cargo.toml"), "dependencies": needs })
        };
        let metadata = serde_json::json!({ "packages": [package("a", &["b"]), package("b", &["crc"]), package("c", &[])] });
        let found = Tree::of(&metadata).closure(&["a"]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b", "crc"]);
    }
}
