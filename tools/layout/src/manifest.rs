// SPDX-License-Identifier: BSD-2-Clause
//! Manifests: what a protection domain's program needs and offers, `pd.toml` beside its crate.

mod check;

use crate::value::{Kind, Value};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// What a program needs and offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// File name of the program.
    pub elf: String,
    /// What it is for.
    pub kind: Role,
    /// Class of a driver, kind of a service, element of a backend.
    pub class: String,
    /// `compatible` strings of the devices that a driver knows.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// The device it gets where the layout names none, by the board's name.
    #[serde(default)]
    pub device: Option<String>,
    /// Start of the names of backends and monitors: `<prefix>_<guest>`.
    #[serde(default)]
    pub prefix: String,
    /// Bytes of stack.
    #[serde(deserialize_with = "size")]
    pub stack: u64,
    /// Priority of a driver or service; of a backend or monitor, how far above its guest's.
    pub priority: u64,
    /// Microseconds that it may run in each period.
    #[serde(deserialize_with = "time")]
    pub budget: u64,
    /// Microseconds.
    #[serde(deserialize_with = "time")]
    pub period: u64,
    /// Of what serves a guest with limits: percent of the guest's period that it gets instead.
    #[serde(default)]
    pub percent: Option<u64>,
    /// Gives its time up after it has started, and runs on its callers'.
    #[serde(default)]
    pub passive: bool,
    /// Uses floating point registers, which costs at every change of threads.
    #[serde(default)]
    pub fpu: bool,
    /// What it passes on between those that it talks with.
    #[serde(default)]
    pub clients_meet: Meet,
    /// What keeps its clients apart whatever they list.
    #[serde(default)]
    pub apart: Option<Apart>,
    /// What its parent does when it fails.
    pub restart: Restart,
    /// Memory of its own.
    #[serde(default)]
    pub region: Vec<Region>,
    /// Interrupts of its device.
    #[serde(default)]
    pub irq: Vec<Irq>,
    /// Conversations.
    #[serde(default)]
    pub link: Vec<Link>,
    /// What it can be told.
    #[serde(default)]
    pub setting: Vec<Setting>,
    /// What the virtual machine of a monitor has beside its RAM.
    #[serde(default)]
    pub machine: Vec<Machine>,
}

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Owns a device.
    Driver,
    /// Is shared.
    Service,
    /// Serves one device of one guest.
    Backend,
    /// Serves one guest's exits.
    Monitor,
}

/// What happens to a program that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Restart {
    /// It starts again; its peers notice a delay.
    Fresh,
    /// It starts again together with its guest.
    Guest,
    /// It stays down.
    Hold,
}

/// What a program passes on between those that it talks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Meet {
    /// It may pass on anything: nobody has looked.
    #[default]
    Any,
    /// Nothing.
    Never,
    /// What two clients send each other if each is on the other's list `allow` or has none.
    Listed,
    /// What travels between two clients of which one lists the other as `allow`.
    Connected,
}

/// A setting that keeps clients apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Apart {
    /// Its name: clients that are told different things do not meet.
    pub setting: String,
    /// Name and value of another: clients that have it meet all.
    pub unless: [String; 2],
}

/// Memory of a program's own, told by role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Region {
    /// Its role in the record.
    pub role: String,
    /// The n-th register block of its device; then no size.
    #[serde(default)]
    pub device: Option<usize>,
    /// Bytes.
    #[serde(default, deserialize_with = "maybe_size")]
    pub size: Option<u64>,
    /// The device reaches it by its physical address, which the record tells, too.
    #[serde(default)]
    pub dma: bool,
    /// It is the RAM of its guest.
    #[serde(default)]
    pub ram: bool,
    /// Where its guest sees it, to be read only. Its size is then that of the part for so many slots.
    #[serde(default)]
    pub shown: Option<Shown>,
}

/// Memory that a monitor's guest sees, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Shown {
    /// Guest-physical address.
    pub at: u64,
    /// Slots that one part is for. There are as many parts as the guest's highest slot asks for, and
    /// none without slots.
    pub slots: u64,
    /// Most parts.
    pub most: u64,
}

/// An interrupt of a program's device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Irq {
    /// Its role in the record.
    pub role: String,
    /// Which of the device's.
    #[serde(default)]
    pub index: usize,
}

/// Which end of a conversation a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Side {
    /// Waits for clients.
    Server,
    /// Has one server.
    Client,
}

/// An end of a conversation: up to two regions, one per direction, and a channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Link {
    /// What is spoken; the two ends agree on it.
    pub interface: String,
    /// Which end this is.
    pub side: Side,
    /// Its role in the record. `{name}` stands for the client's name, `{slot}` for its slot.
    pub role: String,
    /// Role of the region that this end writes; `<role>.out` without.
    #[serde(default)]
    pub out_role: Option<String>,
    /// Role of the region that the other end writes; `<role>.in` without.
    #[serde(default)]
    pub in_role: Option<String>,
    /// Bytes of the region that this end writes; none without.
    #[serde(default, deserialize_with = "maybe_size")]
    pub out: Option<u64>,
    /// A server: it has any number of clients.
    #[serde(default)]
    pub many: bool,
    /// A client: it also works without.
    #[serde(default)]
    pub optional: bool,
    /// A monitor's client: it is there if the guest has this element.
    #[serde(default)]
    pub element: Option<String>,
    /// A client: it calls its server.
    #[serde(default)]
    pub call: bool,
    /// A client: it goes without a server of lower priority, which it could not call.
    #[serde(default)]
    pub above: bool,
    /// This end's device reaches both regions by physical address, which the record tells, too.
    #[serde(default)]
    pub dma: bool,
    /// A server: role of the text that names each client.
    #[serde(default)]
    pub announce: Option<String>,
    /// A server: role of the window over the RAM of each client's guest.
    #[serde(default)]
    pub window: Option<String>,
    /// A client: what it tells its server about itself.
    #[serde(default)]
    pub give: BTreeMap<String, Constant>,
    /// A server: what it is told about each client; their roles have `{name}` or `{slot}`.
    #[serde(default)]
    pub setting: Vec<Setting>,
}

/// A number or a text that a manifest fixes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Constant {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

impl From<&Constant> for Value {
    fn from(constant: &Constant) -> Self {
        match constant {
            Constant::Number(number) => Self::Number(*number),
            Constant::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// How a setting is written into the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SettingType {
    /// A number.
    Value,
    /// A text.
    Text,
    /// Names of other clients of the same server, each a text under one role.
    Clients,
}

/// Something that a program can be told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Setting {
    /// Name of the attribute, or of the `<setting>`.
    pub name: String,
    /// Role in the record; the name without.
    #[serde(default)]
    pub role: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub form: SettingType,
    /// What it is told where the layout says nothing.
    #[serde(default)]
    pub default: Option<Constant>,
    /// The layout must say it.
    #[serde(default)]
    pub required: bool,
    /// No two clients of the server have the same.
    #[serde(default)]
    pub unique: bool,
    /// Name and value of a setting: clients that all have it may share what is `unique`.
    #[serde(default)]
    pub unless: Option<[String; 2]>,
    /// A frequency of the program's device in hertz, where the layout says nothing.
    #[serde(default)]
    pub clock: bool,
}

/// Memory of a board's device that a virtual machine sees.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Machine {
    /// Name of the memory region.
    pub name: String,
    /// The device, by the board's name.
    pub device: String,
    /// `compatible` strings that it must have one of.
    pub compatible: Vec<String>,
    /// Which of its register blocks.
    pub block: usize,
    /// Bytes of it.
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Where the guest sees it.
    pub at: u64,
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    quantity(from, Kind::Size(1, u64::MAX))
}

fn maybe_size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    size(from).map(Some)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    quantity(from, Kind::Time(1, u64::MAX))
}

fn quantity<'de, D: Deserializer<'de>>(from: D, kind: Kind) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    match kind.read(&text) {
        Ok(Value::Number(number)) => Ok(number),
        Ok(_) => Err(serde::de::Error::custom("no number")),
        Err(problem) => Err(serde::de::Error::custom(format!(
            "`{text}` {}",
            problem.message
        ))),
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        check::check(&manifest)?;
        Ok(manifest)
    }

    /// Whether it asks for a device.
    #[must_use]
    pub fn wants_device(&self) -> bool {
        !self.irq.is_empty() || self.region.iter().any(|region| region.device.is_some())
    }
}
