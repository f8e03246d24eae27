// SPDX-License-Identifier: BSD-2-Clause
//! An audit: what goes in, what is found out, what comes out.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::authority::{Grant, authority};
use crate::channels::{ChannelRow, IrqRow, channels, interrupts};
use crate::checks::{self, Finding, Verdict};
use crate::controls::ControlResult;
use crate::digest::Digest;
use crate::elf::Elf;
use crate::flow::{Flows, Policy, PolicyResult, flows};
use crate::image::{
    Embedded, ImageError, LoaderImage, Programs, Traps, compare_contents, compare_specs, traps,
};
use crate::integrity::{Integrity, integrity};
use crate::memory::{DmaReach, Extent, dma_reach, memory_map};
use crate::platform::{Area, Platform};
use crate::schedule::{Schedule, schedule};
use crate::spec::Spec;
use crate::subjects::Subjects;
use crate::system::System;

/// What an audit looks at.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The distribution as the SDK's tool lists it.
    pub spec: Option<Spec>,
    /// Programs by protection domain, as they were given to the tool; the monitor's as `monitor`.
    pub programs: BTreeMap<String, Elf>,
    /// The image.
    pub image: Option<Image>,
    /// The machine.
    pub platform: Platform,
    /// What must not and what may flow.
    pub policy: Policy,
}

/// An image.
#[derive(Debug, Clone)]
pub enum Image {
    /// For seL4, as the SDK's tool writes it.
    Sel4(Sel4Image),
    /// For the development kernel.
    Dev(Vec<u8>),
}

/// An image for seL4 and what it was made from.
#[derive(Debug, Clone, Default)]
pub struct Sel4Image {
    /// The file.
    pub bytes: Vec<u8>,
    /// The SDK's kernel.
    pub kernel: Option<Elf>,
    /// The SDK's initialiser.
    pub initialiser: Option<Elf>,
    /// The SDK's loader.
    pub loader: Option<Elf>,
    /// Whether the kernel leaves guests' debug registers alone, so that the image must set the traps:
    /// all configurations but debug.
    pub needs_traps: bool,
}

/// Why there is nothing to audit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// Neither a listing nor an image that has one.
    #[error("neither a capability distribution nor an image of the development kernel was given")]
    Nothing,
    /// The payload of a development image.
    #[error("the development kernel would refuse this image: {0}")]
    Payload(String),
}

/// What is found out about an image for seL4.
#[derive(Debug, Clone)]
pub struct ImageFacts {
    /// Why it cannot be read.
    pub error: Option<ImageError>,
    /// Hashes of the image and its parts.
    pub parts: Vec<(String, Digest)>,
    /// Physical addresses that it takes.
    pub occupied: Vec<Area>,
    /// The distribution in it.
    pub embedded: Option<Embedded>,
    /// Differences of the kernel; none without one to compare with.
    pub kernel: Option<Vec<String>>,
    /// Differences of the initialiser.
    pub initialiser: Option<Vec<String>>,
    /// Differences of the loader.
    pub loader: Option<Vec<String>>,
    /// Differences of the distribution.
    pub spec: Vec<String>,
    /// Differences of what pages hold.
    pub contents: Vec<String>,
    /// What enters the kernel.
    pub traps: Traps,
}

/// Everything that checks may look at.
pub struct Facts<'a> {
    /// The inputs.
    pub inputs: &'a Inputs,
    /// Threads, capabilities, mappings.
    pub system: System,
    /// Subjects.
    pub subjects: Subjects,
    /// Who may do what.
    pub authority: Vec<Grant>,
    /// The integrity conditions.
    pub integrity: Vec<Integrity>,
    /// Who can tell whom.
    pub flows: Flows,
    /// What became of the policy.
    pub policy: PolicyResult,
    /// The memory map.
    pub memory: Vec<Extent>,
    /// Devices that read and write memory.
    pub dma: Vec<DmaReach>,
    /// Channels.
    pub channels: Vec<ChannelRow>,
    /// What does not fit together about them.
    pub channel_defects: Vec<String>,
    /// Interrupts.
    pub interrupts: Vec<IrqRow>,
    /// Time.
    pub schedule: Schedule,
    /// The image, if it is one for seL4.
    pub image: Option<ImageFacts>,
    /// Hashes of a development image.
    pub payload: Vec<(String, Digest)>,
}

impl<'a> Facts<'a> {
    /// Finds out everything about `inputs`.
    ///
    /// # Errors
    /// When there is nothing to look at. Broken inputs are no error: checks say what is broken.
    pub fn gather(inputs: &'a Inputs) -> Result<Self, AuditError> {
        let mut payload = Vec::new();
        let mut system = match (&inputs.spec, &inputs.image) {
            (Some(spec), _) => System::from_spec(spec),
            (None, Some(Image::Dev(bytes))) => {
                payload = vec![("image".to_owned(), Digest::of(bytes))];
                from_payload(bytes)?
            }
            _ => return Err(AuditError::Nothing),
        };
        system.irqs.sort_by_key(|irq| irq.number);
        let subjects = Subjects::of(&system);
        let platform = &inputs.platform;
        let memory = memory_map(&system, &subjects, platform);
        let flows = flows(&system, &subjects, platform);
        let (channels, channel_defects) = channels(&system);
        Ok(Self {
            authority: authority(&system, &subjects),
            integrity: integrity(&system, &subjects),
            policy: inputs.policy.judge(&flows),
            flows,
            dma: dma_reach(&memory, platform),
            memory,
            channels,
            channel_defects,
            interrupts: interrupts(&system),
            schedule: schedule(&system),
            image: image_facts(inputs, &system),
            payload,
            inputs,
            subjects,
            system,
        })
    }
}

fn from_payload(bytes: &[u8]) -> Result<System, AuditError> {
    let at = usize::try_from(devimage::PAYLOAD_OFFSET).unwrap_or(usize::MAX);
    let payload = bytes.get(at..).unwrap_or_default();
    let image = devimage::Image::parse(payload);
    let image = image.map_err(|error| AuditError::Payload(format!("{error:?}")))?;
    Ok(System::from_payload(&image))
}

/// The programs by their numbers in the distribution: each protection domain maps its own.
fn programs<'a>(inputs: &'a Inputs, system: &System) -> Programs<'a> {
    let mut by_id = BTreeMap::new();
    for thread in &system.threads {
        let id = thread.mappings.iter().find_map(|mapping| mapping.program);
        if let Some((id, elf)) = id.zip(inputs.programs.get(&thread.name)) {
            by_id.insert(id, (thread.name.clone(), elf));
        }
    }
    Programs { by_id }
}

fn image_facts(inputs: &Inputs, system: &System) -> Option<ImageFacts> {
    let Some(Image::Sel4(given)) = &inputs.image else {
        return None;
    };
    let mut facts = ImageFacts {
        error: None,
        parts: vec![("image".to_owned(), Digest::of(&given.bytes))],
        occupied: Vec::new(),
        embedded: None,
        kernel: None,
        initialiser: None,
        loader: None,
        spec: Vec::new(),
        contents: Vec::new(),
        traps: Traps::Unknown("the image cannot be read".to_owned()),
    };
    match LoaderImage::parse(&given.bytes) {
        Ok(image) => facts.look_at(&image, given),
        Err(error) => facts.error = Some(error),
    }
    if let (Some(spec), Some(embedded)) = (&inputs.spec, &facts.embedded) {
        facts.spec = compare_specs(spec, &embedded.spec);
        facts.contents = compare_contents(spec, embedded, &programs(inputs, system));
    }
    Some(facts)
}

impl ImageFacts {
    /// Takes in everything that needs nothing but the image and what it was made from.
    fn look_at(&mut self, image: &LoaderImage<'_>, given: &Sel4Image) {
        let regions = image.regions.iter();
        let regions =
            regions.map(|it| (format!("region at {:#x}", it.paddr), Digest::of(it.bytes)));
        self.parts
            .push(("loader".to_owned(), Digest::of(image.loader)));
        self.parts.extend(regions);
        self.occupied = image.occupied();
        self.traps = traps(image);
        let branch = matches!(self.traps, Traps::Set { .. });
        let (kernel, initialiser) = (&given.kernel, &given.initialiser);
        self.kernel = kernel.as_ref().map(|elf| image.compare_kernel(elf));
        self.initialiser = initialiser
            .as_ref()
            .map(|elf| image.compare_initialiser(elf));
        let loader = given.loader.as_ref();
        self.loader = loader.map(|elf| image.compare_loader(elf, branch));
        match image.distribution() {
            Ok(embedded) => self.embedded = Some(embedded),
            Err(error) => self.error = Some(error),
        }
    }
}

/// What an audit says. Version 1 of the format; fields are only added.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the format.
    pub version: u32,
    /// The board.
    pub board: String,
    /// Whether no check failed.
    pub passed: bool,
    /// How many findings there are of each verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// Every check and what became of it.
    pub findings: Vec<Finding>,
    /// Each check tried on something that it must reject.
    pub controls: Vec<ControlResult>,
    /// Threads with everything they have.
    pub system: System,
    /// Subjects.
    pub subjects: Subjects,
    /// Who may do what.
    pub authority: Vec<Grant>,
    /// The integrity conditions, per subject.
    pub integrity: Vec<Integrity>,
    /// Who can tell whom.
    pub flows: Flows,
    /// What became of the policy.
    pub policy: PolicyResult,
    /// The memory map.
    pub memory: Vec<Extent>,
    /// Devices that read and write memory by themselves.
    pub dma: Vec<DmaReach>,
    /// Channels.
    pub channels: Vec<ChannelRow>,
    /// Interrupts.
    pub interrupts: Vec<IrqRow>,
    /// Time.
    pub schedule: Schedule,
    /// What enters the kernel, if the image is one for seL4.
    pub traps: Option<Traps>,
    /// Variables that the build set in programs.
    pub settings: Vec<Setting>,
    /// Hashes of the image and its parts.
    pub hashes: Vec<(String, Digest)>,
}

/// A variable that the build set in a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The protection domain.
    pub pd: String,
    /// The variable.
    pub symbol: String,
    /// Its value.
    pub value: u64,
}

/// Audits `inputs`: every check, and every check tried on something that it must reject.
///
/// # Errors
/// When there is nothing to audit.
pub fn audit(inputs: &Inputs) -> Result<Report, AuditError> {
    let facts = Facts::gather(inputs)?;
    let findings: Vec<Finding> = checks::all()
        .iter()
        .map(|check| check.apply(&facts))
        .collect();
    let mut counts = BTreeMap::new();
    for finding in &findings {
        *counts.entry(finding.verdict).or_insert(0) += 1;
    }
    let controls = crate::controls::run();
    let rejected = controls.iter().all(|control| control.rejected);
    Ok(Report {
        version: 1,
        board: inputs.platform.name.clone(),
        passed: rejected && !counts.contains_key(&Verdict::Fail),
        counts,
        findings,
        controls,
        settings: checks::settings(&facts),
        traps: facts.image.as_ref().map(|image| image.traps.clone()),
        hashes: facts.image.map_or(facts.payload, |image| image.parts),
        system: facts.system,
        subjects: facts.subjects,
        authority: facts.authority,
        integrity: facts.integrity,
        flows: facts.flows,
        policy: facts.policy,
        memory: facts.memory,
        dma: facts.dma,
        channels: facts.channels,
        interrupts: facts.interrupts,
        schedule: facts.schedule,
    })
}
