// SPDX-License-Identifier: BSD-2-Clause
//! The rules of layouts. What is spelled wrong as XML, and names, are checked by [`sdf::rules`].

use sdf::rules::{Rule, Severity};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident, $law:literal, $why:literal, $fix:literal;)*) => {
        $($(#[$doc])* pub static $name: Rule = Rule {
            id: $id,
            severity: Severity::$severity,
            law: $law,
            why: $why,
            fix: $fix,
        };)*
        static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    /// Numbers carry a unit.
    UNIT = "value-unit", Error,
        "A number carries a unit of its kind",
        "A size or a time without unit means something else to every reader",
        "write for example 256M, 10ms or 1Mbit/s";
    /// Values are in range.
    RANGE = "value-range", Error,
        "A value lies in the range of its attribute",
        "Outside it nothing works, or the number does not fit the machine",
        "see the attribute in tools/layout/REFERENCE.md";
    /// Values are well-formed.
    FORM = "value-form", Error,
        "A value has the form of its attribute",
        "What cannot be understood would silently not do what it was written for",
        "see the attribute in tools/layout/REFERENCE.md";
    /// Files lie below.
    ESCAPE = "file-escape", Error,
        "A layout names only files below its own folder",
        "A supplier's fragment must not reach other files of the machine that builds it",
        "move the file below the folder of the layout";
    /// Included files can be read.
    INCLUDE = "include-file", Error,
        "An included fragment can be read and is a <fragment>",
        "Without the fragment it is open what the system is",
        "correct the path, or make the outermost element of the file <fragment>";
    /// Included once.
    ONCE = "include-once", Error,
        "A fragment is included once",
        "A file that includes itself has no end, and one that is included twice declares everything twice",
        "remove one of the includes";
    /// Manifests can be read.
    MANIFEST = "manifest-file", Error,
        "A manifest can be read and says what its program needs",
        "The tool wires a program by its manifest alone",
        "correct the path or the manifest; tools/layout/README.md describes its fields";
    /// Somebody implements it.
    CLASS = "class-unknown", Error,
        "A driver's class and a service's kind are known, or the element names a manifest",
        "There is no program that would do it",
        "use a known one, or name manifest and elf";
    /// Not offered yet.
    OFFERED = "guest-device", Error,
        "A guest has devices that some program implements",
        "The guest would look for a device that does not answer",
        "leave it out";
    /// The board's device tree is usable.
    TREE = "board-tree", Error,
        "The board's device tree can be read",
        "Addresses and interrupts of devices come from it",
        "make images/boards/<board>.dtb again: dtc -O dtb <board>.dts";
    /// Devices exist.
    DEVICE = "device-unknown", Error,
        "A named device exists on the board",
        "There is nothing to drive",
        "use a name from the board's file in images/boards";
    /// Drivers fit their devices.
    COMPATIBLE = "device-compatible", Error,
        "A driver knows its device",
        "Registers of another device would be read and written as if they were this one's",
        "choose a device that the driver's manifest lists as compatible, or another driver";
    /// One driver per device.
    OWNER = "device-owner", Error,
        "A device has one driver",
        "Two drivers would program it against each other",
        "remove one of them or give it another device";
    /// Devices where needed.
    NEED = "device-need", Error,
        "A program gets a device exactly when its manifest asks for one",
        "It would wait for registers that it does not have, or hold ones that it does not use",
        "add or remove the attribute `device`";
    /// Servers are found.
    SERVER = "link-server", Error,
        "Who serves a client is the only one that can, or is named",
        "A device without backend does nothing, and a guess among several would be a guess",
        "declare a driver or service that offers it, or name one of several";
    /// Servers have room.
    BUSY = "link-busy", Error,
        "A server with one client has one",
        "It could not tell them apart",
        "put a service that shares it in between";
    /// Settings are known.
    SETTING = "setting", Error,
        "A program is told what its manifest lists, each once",
        "A setting that nobody reads does not do what it was written for",
        "see the settings in the program's pd.toml";
    /// Identities are unique.
    IDENTITY = "identity-duplicate", Error,
        "Slots, Ethernet addresses, context ids and writable partitions belong to one device",
        "Two devices would answer for one, or two guests write one file system",
        "give one of them another";
    /// A flow is allowed or denied.
    FLOW = "policy-flow", Error,
        "A statement about a flow joins two different subjects, and no other statement contradicts it",
        "It is open whether the flow is wanted",
        "keep one of the statements";
    /// There is room.
    ROOM = "layout-room", Error,
        "There is room for what is allocated: addresses, ids, priorities",
        "The tool found no place that is free and has the properties needed",
        "make something smaller, or say where it goes";
    /// Limits.
    UNLIMITED = "pd-unlimited", Warning,
        "A protection domain beside guests has a budget below its period, or says that it has none",
        "With the default budget it keeps everything of lower priority waiting for as long as it likes",
        "give it budget and period; the same for both says that there is no limit";
    /// Promises add up.
    SHARE = "budget-share", Warning,
        "The budgets that a core's threads are promised add up to no more than the core",
        "Whoever comes last goes short when all others use what they may",
        "give something a smaller budget, or another core";
    /// Promises are kept in time.
    RESPONSE = "budget-response", Warning,
        "Whoever is promised a budget can have it within its period, whatever others of the same and higher priorities do",
        "It goes short when all others use what they may",
        "give those above it smaller budgets or longer periods, or it a higher priority";
    /// Promises to what matters.
    CLAIM = "budget-claim", Error,
        "Whatever has a criticality above the lowest and a budget can have it within its period",
        "Its timing would depend on how others of the same and higher priorities behave",
        "give those above it smaller budgets or longer periods, or it a higher priority";
    /// Denied flows.
    DENIED = "flow-denied", Error,
        "Nothing flows where the policy says <deny>, neither directly nor through others",
        "The policy says that it must not",
        "take away what it flows by, or the statement";
    /// Flows between guests.
    UNDECLARED = "flow-undeclared", Warning,
        "What flows between two guests is declared",
        "A connection that nobody wrote down is one that nobody looked at",
        "declare it with <allow>, or take away what it flows by";
    /// Flows and criticality.
    CRITICAL_FLOW = "criticality-flow", Error,
        "From a lower to a higher criticality things flow only through a service, and as the policy declares",
        "What depends on the higher one would depend on what the lower one says",
        "put a service in between that keeps its clients apart, and declare the flow with <allow>";
    /// Priorities and criticality.
    RANK = "priority-criticality", Warning,
        "Of two guests on a core the more critical one has the higher priority",
        "The less critical one keeps it waiting for as long as its budget lasts",
        "give the more critical one the higher priority";
    /// DMA.
    DMA = "dma-unconfined", Warning,
        "Hardware confines devices that reach memory by themselves",
        "Whoever drives such a device can have it read and write everything, so its driver is trusted with everything",
        "say with <accept> why that is all right, or use a board whose file says what confines the device";
    /// Acceptances.
    ACCEPT = "policy-accept", Error,
        "What is accepted is a warning of this layout",
        "An acceptance that fits nothing would hide what comes later",
        "remove it, or correct the rule's id";
}

/// Every rule of this crate.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    ALL.iter().copied()
}
