// SPDX-License-Identifier: BSD-2-Clause
//! Items 60, 62, 66: what it is made of, how it was made, what should be measured at boot.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::findings::Hash;
use crate::model::Target;

/// `CycloneDX` 1.5 from what `cargo metadata` says and the checksums of `Cargo.lock`: every package that the
/// workspace resolves to, ours included. Neither paths nor hosts are taken over.
#[must_use]
pub fn sbom(name: &str, metadata: &Value, lock: &str, image: &[Hash]) -> Value {
    let sums = checksums(lock);
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut components: BTreeMap<(String, String), Value> = BTreeMap::new();
    for package in &packages {
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        let (name, version, licence) = (text("name"), text("version"), text("license"));
        let url = format!("pkg:cargo/{name}@{version}");
        let mut component = json!({
            "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url,
            "licenses": if licence.is_empty() { json!([]) } else { json!([{ "expression": licence.replace('/', " OR ") }]) },
        });
        if let Some(sum) = sums.get(&(name.clone(), version.clone())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        components.insert((name, version), component);
    }
    let mut all: Vec<Value> = components.into_values().collect();
    all.extend(image.iter().map(|hash| {
        json!({
            "type": "file", "bom-ref": format!("file:{}", hash.part), "name": hash.part,
            "hashes": [{ "alg": "SHA-256", "content": hash.sha256 }],
        })
    }));
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": { "type": "firmware", "bom-ref": "system", "name": name } },
        "components": all,
    })
}

/// Checksums by name and version, from the text of a `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let lock: toml::Table = lock.parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.into_iter().flatten();
    let entry = |package: &toml::Value| {
        let text = |field: &str| package.get(field)?.as_str().map(str::to_owned);
        Some(((text("name")?, text("version")?), text("checksum")?))
    };
    packages.filter_map(entry).collect()
}

/// An in-toto statement with a SLSA v1 provenance: build level 1, unsigned, by whoever ran it.
#[must_use]
pub fn provenance(target: &Target, system: &str, outputs: &[Hash], materials: &[Hash]) -> Value {
    let subjects = outputs
        .iter()
        .map(|it| json!({ "name": it.part, "digest": { "sha256": it.sha256 } }));
    let inputs = materials.iter().map(|it| {
        // A commit has a name of its own kind.
        let kind = if it.sha256.len() == 40 {
            "gitCommit"
        } else {
            "sha256"
        };
        json!({ "name": it.part, "digest": { kind: it.sha256 } })
    });
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects.collect::<Vec<_>>(),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "cargo bulkhead build",
                "externalParameters": {
                    "system": system, "kernel": target.kernel, "sdk": target.sdk, "config": target.config, "board": target.board,
                },
                "internalParameters": { "slsaBuildLevel": "L1: provenance exists; unsigned, not from a hosted builder" },
                "resolvedDependencies": inputs.collect::<Vec<_>>(),
            },
            "runDetails": { "builder": { "id": "a developer's machine" } },
        },
    })
}

/// What a measuring boot should find, in the order of boot.
#[must_use]
pub fn boot_measure(image: &[Hash], given: &[Hash]) -> Value {
    let mut seen = BTreeSet::new();
    let events = image.iter().chain(given).filter(|it| seen.insert(&it.part));
    let events: Vec<Value> = events
        .map(|it| json!({ "what": it.part, "bytes": it.len, "sha256": it.sha256 }))
        .collect();
    json!({ "version": 1, "note": "expected values; nothing measures them at boot yet", "events": events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_have_licences_and_checksums_and_no_hosts() {
        let metadata = json!({ "packages": [
            { "name": "b", "version": "1.0.0", "license": "MIT/Apache-2.0", "source": "registry+https://example.org/index", "manifest_path": "/place/b/Cargo.toml" },
            { "name": "a", "version": "0.1.0", "license": null },
        ]});
        let lock = "[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n";
        let bom = sbom("s", &metadata, lock, &[Hash::of("system.img", b"x")]);
        let text = bom.to_string();
        assert!(!text.contains("example.org") && !text.contains("/place/"));
        assert_eq!(bom["components"][0]["name"], "a");
        assert_eq!(bom["components"][1]["hashes"][0]["content"], "abc");
        assert_eq!(
            bom["components"][1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(bom["components"][2]["name"], "system.img");
    }

    #[test]
    fn provenance_says_its_level_and_no_time() {
        let text = provenance(
            &Target::default(),
            "s",
            &[Hash::of("system.img", b"x")],
            &[],
        )
        .to_string();
        assert!(text.contains("L1") && !text.contains("startedOn"));
    }
}
