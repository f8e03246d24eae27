// SPDX-License-Identifier: BSD-2-Clause
//! The image: what boots is what was listed, and made from what was given.

use super::{Check, Outcome};
use crate::image::Traps;
use crate::report::{Facts, Image, ImageFacts};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "image-readable",
        law: "the image can be taken apart completely",
        reason: "what cannot be read cannot be checked",
        run: readable,
    },
    Check {
        id: "image-loader",
        law: "the loader is the SDK's, but for its page tables and the branch to our instructions",
        reason: "it runs before everything else",
        run: |facts| part(facts, |image| image.loader.as_ref(), "the SDK's loader"),
    },
    Check {
        id: "image-kernel",
        law: "the kernel is the SDK's, byte by byte",
        reason: "whatever is known about the kernel is known about that file",
        run: |facts| part(facts, |image| image.kernel.as_ref(), "the SDK's kernel"),
    },
    Check {
        id: "image-initialiser",
        law: "the initialiser is the SDK's, but for the place of its distribution",
        reason: "it hands out all authority",
        run: |facts| {
            part(
                facts,
                |image| image.initialiser.as_ref(),
                "the SDK's initialiser",
            )
        },
    },
    Check {
        id: "image-spec",
        law: "the distribution in the image is the one that was listed",
        reason: "the listing is what people review; the image is what runs",
        run: |facts| {
            part(
                facts,
                |image| image.embedded.as_ref().map(|_| &image.spec),
                "object by object",
            )
        },
    },
    Check {
        id: "image-contents",
        law: "pages hold the programs and files that were given, and nothing more",
        reason: "a program may otherwise be exchanged after review",
        run: contents,
    },
    Check {
        id: "image-traps",
        law: "something sets the traps for debug and PMU registers before a kernel that does not",
        reason: "otherwise a guest stops any protection domain with a hardware breakpoint (sel4-abi.md 6.9)",
        run: traps,
    },
];

fn image<'a>(facts: &'a Facts<'_>) -> Option<&'a ImageFacts> {
    facts.image.as_ref()
}

const NO_IMAGE: &str = "no image for seL4 was given";

fn readable(facts: &Facts<'_>) -> Outcome {
    let Some(image) = image(facts) else {
        return Outcome::Nothing(NO_IMAGE);
    };
    let lines = image.error.as_ref().map(ToString::to_string);
    Outcome::breaches(lines, format!("{} parts", image.parts.len()))
}

fn part(
    facts: &Facts<'_>,
    of: fn(&ImageFacts) -> Option<&Vec<String>>,
    same: &'static str,
) -> Outcome {
    match image(facts).map(of) {
        None => Outcome::Nothing(NO_IMAGE),
        Some(None) => Outcome::Nothing("there is nothing to compare with"),
        Some(Some(lines)) => Outcome::breaches(lines.iter().cloned(), same),
    }
}

fn contents(facts: &Facts<'_>) -> Outcome {
    if facts.inputs.programs.is_empty() {
        return Outcome::Nothing("no programs were given");
    }
    part(
        facts,
        |image| image.embedded.as_ref().map(|_| &image.contents),
        "page by page",
    )
}

fn traps(facts: &Facts<'_>) -> Outcome {
    let (Some(image), Some(Image::Sel4(given))) = (image(facts), &facts.inputs.image) else {
        return Outcome::Nothing(NO_IMAGE);
    };
    let line = match (&image.traps, given.needs_traps) {
        (Traps::Set { .. }, _) | (Traps::Unset, false) => None,
        (Traps::Unset, true) => Some("nothing sets them".to_owned()),
        (Traps::Unknown(why), _) => Some(why.clone()),
    };
    let otherwise = match image.traps {
        Traps::Set { at } => format!("instructions at {at:#x}, then the loader"),
        _ => "this kernel sets them itself".to_owned(),
    };
    Outcome::breaches(line, otherwise)
}
