// SPDX-License-Identifier: BSD-2-Clause
//! The items of a package and how each comes about.

/// An item.
pub(crate) struct Item {
    /// Start of its files' names.
    pub(crate) prefix: &'static str,
    /// What it shows.
    pub(crate) shows: &'static str,
    /// What it needs where it is not made.
    pub(crate) needs: &'static str,
    /// Whether it is recorded; all others are derived again by `--verify`.
    pub(crate) recorded: bool,
}

const fn derived(prefix: &'static str, shows: &'static str, needs: &'static str) -> Item {
    Item {
        prefix,
        shows,
        needs,
        recorded: false,
    }
}

const fn recorded(prefix: &'static str, shows: &'static str, needs: &'static str) -> Item {
    Item {
        prefix,
        shows,
        needs,
        recorded: true,
    }
}

/// All items in order.
pub(crate) const ITEMS: &[Item] = &[
    derived("99-verdict", "the verdict, gate by gate", ""),
    derived("00-README", "how to read this", ""),
    derived("index", "everything on one page", ""),
    derived("01-claims", "assurance case (GSN)", ""),
    derived("02-assumptions", "assumptions of use", ""),
    recorded("10-model", "composition model after defaults", ""),
    derived(
        "10-parts",
        "boxes of partitions with regions, channels, interrupts",
        "",
    ),
    recorded(
        "11-system",
        "flattened description as the SDK's tool gets it",
        "what the build adds for guests (an image)",
    ),
    recorded(
        "12-capdl",
        "kernel objects and capabilities; contents of pages as length and SHA-256",
        "an image",
    ),
    derived(
        "13-policy-declared",
        "declared flows, rights and policy",
        "",
    ),
    derived(
        "13-policy-extracted",
        "flows and rights that are really there",
        "an image",
    ),
    derived("13-policy.diff", "the difference", "an image"),
    derived("13-flows", "allowed and found flows as a picture", ""),
    recorded(
        "14-findings.json",
        "what the independent checker says about what was built",
        "an image",
    ),
    derived("14-findings-table", "the same as a table", "an image"),
    derived("14-wellformed", "P1-P7 per subject", "an image"),
    derived(
        "14-authority",
        "who may do what to whom, by which capability",
        "an image",
    ),
    derived("15-memory-map", "memory, users, rights", ""),
    derived("16-irq-device", "interrupts, device frames, owners", ""),
    derived(
        "17-dma",
        "devices that reach memory, and what confines them",
        "",
    ),
    derived(
        "18-schedule",
        "priorities, budgets, cores, response times",
        "",
    ),
    derived("19-channels", "channels and shared memory", ""),
    derived(
        "20-ffi-matrix",
        "freedom from interference, pair by pair",
        "",
    ),
    recorded(
        "42-mutants",
        "mutation testing of the checkers as recorded in the tree",
        "tests/mutants.json",
    ),
    derived(
        "42-mutation-score",
        "the same as a table",
        "tests/mutants.json",
    ),
    derived(
        "43-negative-controls",
        "each check tried on something that it must reject",
        "an image",
    ),
    recorded(
        "46-bench",
        "instruction counts on QEMU as given",
        "--bench FILE",
    ),
    derived(
        "46-timing",
        "the same as a table; no timing evidence",
        "--bench FILE",
    ),
    recorded("50-static", "findings on the description (SARIF 2.1.0)", ""),
    recorded("60-sbom", "bill of materials (CycloneDX 1.5)", ""),
    recorded(
        "62-provenance",
        "how it was made (in-toto, SLSA v1; level 1, unsigned)",
        "an image",
    ),
    recorded(
        "63-reproduce",
        "a build from another clone, compared byte for byte",
        "a second build (--again DIR)",
    ),
    derived("64-manifest", "SHA-256 of every file here", ""),
    derived("65-tools", "tools and what would find their errors", ""),
    recorded(
        "66-boot-measure",
        "what a measuring boot should find",
        "an image",
    ),
    derived(
        "71-known-issues",
        "known issues of this version of the platform",
        "",
    ),
    recorded(
        "22-sources",
        "lines and unsafe blocks per program and crate, counted in the tree",
        "programs of this tree",
    ),
    derived("22-tcb", "the same as a table", "programs of this tree"),
    recorded(
        "30-gen-config",
        "the kernel's options as the SDK lists them",
        "an SDK",
    ),
    derived(
        "30-kernel-config",
        "their difference from the verified configuration",
        "an SDK",
    ),
    derived("21-interference", "shared hardware", ""),
    derived(
        "31-proof-status",
        "theorems about the kernel, and whether they apply",
        "",
    ),
    recorded("40-tests.json", "test results as given", "--tests FILE"),
    derived("40-tests.xml", "the same as JUnit XML", "--tests FILE"),
];

/// Whether a file is recorded, so that it cannot be derived again.
pub(crate) fn is_recorded(file: &str) -> bool {
    ITEMS
        .iter()
        .any(|item| item.recorded && file.starts_with(item.prefix))
}
