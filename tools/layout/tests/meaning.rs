// SPDX-License-Identifier: BSD-2-Clause
//! What layouts stand for: the same as a system written by hand, stable, sparse, and quick.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a helper panics at fails its test"
)]

use layout::{Checked, Input};
use proptest::prelude::*;
use sdf::model::{RecordTarget, System};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check_with(text: &str, files: &HashMap<String, String>) -> Checked {
    let boards = root().join("images/boards/qemu_virt_aarch64.toml");
    let data = std::fs::read_to_string(&boards).expect("board file");
    let board: sdf::Board = toml::from_str(&data).expect("board data");
    let tree = std::fs::read(boards.with_extension("dtb")).expect("device tree");
    layout::check(Input {
        name: "a/layout.xml",
        text,
        board: Some(&board),
        device_tree: Some(&tree),
        tree: files,
        files: &sdf::NoFiles,
    })
}

fn system(text: &str) -> System {
    let checked = check_with(text, &HashMap::new());
    checked
        .system
        .unwrap_or_else(|| panic!("{}", checked.diagnostics))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("readable")
}

/// Who maps a region, how, and in which role: what is left of it without name and address.
fn region_meaning(system: &System, mr: &str) -> (u64, BTreeSet<String>) {
    let size = system
        .memory_region(mr)
        .and_then(|mr| mr.size)
        .map_or(0, |size| size.value);
    let mut users = BTreeSet::new();
    for pd in &system.pds {
        for map in pd.maps.iter().filter(|map| *map.mr == mr) {
            users.insert(format!(
                "{} {} {}",
                pd.name.value, map.perms.value, map.cached.value
            ));
        }
        let maps = pd.virtual_machine.iter().flat_map(|vm| &vm.maps);
        for map in maps.filter(|map| *map.mr == mr) {
            let (at, perms, cached) = (map.vaddr.value, map.perms.value, map.cached.value);
            users.insert(format!(
                "vm of {} at {at:#x} {perms} {cached}",
                pd.name.value
            ));
        }
    }
    (size, users)
}

/// Memory that layouts add for observers and for speed, and nobody would write by hand.
fn is_extra(mr: &str) -> bool {
    mr.ends_with("_trace") || mr.ends_with("_virtio_page")
}

/// What a protection domain is, without the names and addresses of its memory and the ids of its
/// channels. Budgets of domains without guests are left out: a layout limits them by default.
fn meaning(system: &System) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for pd in &system.pds {
        let mut facts = vec![
            format!("{} {}", pd.image.path.value, pd.priority.value),
            format!(
                "passive {} stack {:#x}",
                pd.passive.value, pd.stack_size.value
            ),
            format!(
                "{} maps",
                pd.maps.iter().filter(|map| !is_extra(&map.mr)).count()
            ),
        ];
        for irq in &pd.irqs {
            facts.push(format!("irq {} {:?}", irq.irq.value, irq.trigger.value));
        }
        if let Some(vm) = &pd.virtual_machine {
            let (budget, period) = (vm.budget_us.value, vm.period_us.value);
            let (name, priority, vcpus) = (&vm.name.value, vm.priority.value, vm.vcpus.len());
            facts.push(format!("vm {name} {priority} {budget}/{period} {vcpus}"));
        }
        let record = pd.record.as_ref();
        facts.extend(
            record
                .and_then(|record| record.guest.as_ref())
                .map(|guest| {
                    let cmdline = guest.cmdline.as_ref().map(|text| &text.value);
                    format!("guest {} {cmdline:?}", guest.image.value)
                }),
        );
        let mut clients = Vec::new();
        let mut entries = Vec::new();
        for entry in record.iter().flat_map(|record| &record.entries) {
            let role = &entry.role.value;
            match &entry.target {
                RecordTarget::Region { mr } if is_extra(mr) => {}
                RecordTarget::Region { mr } => {
                    entries.push(format!("{role} {:?}", region_meaning(system, mr)));
                }
                RecordTarget::Channel { pd: peer, .. } => {
                    let ends = system.ends(&pd.name).find(|(_, other)| *other.pd == **peer);
                    let (own, other) = ends.expect("a channel");
                    entries.push(format!(
                        "{role} to {} {} {} {} {}",
                        peer.value,
                        own.pp.value,
                        own.notify.value,
                        other.pp.value,
                        other.notify.value
                    ));
                }
                RecordTarget::Text { value } if role == "client" => {
                    clients.push(value.value.clone())
                }
                other => entries.push(format!("{role} {}", plain(other))),
            }
        }
        // The timer is passive: what it calls its clients has no meaning to it.
        if *pd.name != "arm_timer" {
            entries.sort();
            facts.extend(entries);
        }
        facts.push(format!("clients {clients:?}"));
        all.insert(pd.name.value.clone(), facts);
    }
    all
}

fn plain(target: &RecordTarget) -> String {
    match target {
        RecordTarget::Value { value } => value.value.to_string(),
        RecordTarget::Text { value } => value.value.clone(),
        RecordTarget::Irq { irq } => irq.value.to_string(),
        RecordTarget::Vcpu { id } => id.value.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_layout_of_23_lines_is_the_system_of_270_written_by_hand() {
    let ours = meaning(&system(&file("tests/layout/good/today.xml")));
    let theirs = meaning(&system(&file("tests/layout/good/plain.xml")));
    for (name, facts) in &theirs {
        assert_eq!(ours.get(name), Some(facts), "{name}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn domains_have_limits_unless_the_layout_says_otherwise() {
    let layout = system(&file("tests/layout/good/today.xml"));
    for pd in layout.pds.iter().filter(|pd| !pd.passive.value) {
        assert!(pd.budget_us.value < pd.period_us.value, "{}", pd.name.value);
    }
    let text = "<system><driver name='arm_timer' class='timer'/><guest name='g' memory='16M'><image recipe='r'/>\
                </guest></system>";
    let vm = |text: &str| {
        let layout = system(text);
        let vm = layout
            .pds
            .iter()
            .find_map(|pd| pd.virtual_machine.clone())
            .expect("a guest");
        (vm.budget_us.value, vm.period_us.value)
    };
    assert_eq!(vm(text), (16_000, 20_000));
    assert_eq!(
        vm(&text.replace("'16M'", "'16M' budget='5ms'")),
        (5000, 5000)
    );
    assert_eq!(
        vm(&text.replace("'16M'", "'16M' period='40ms'")),
        (16_000, 40_000)
    );
}

/// Addresses, by what they belong to.
fn places(system: &System) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for region in &system.memory_regions {
        if let Some(base) = region.phys_addr {
            all.insert(region.name.value.clone(), base.value);
        }
    }
    for pd in &system.pds {
        for map in &pd.maps {
            all.insert(
                format!("{} {}", pd.name.value, map.mr.value),
                map.vaddr.value,
            );
        }
        for (own, other) in system.ends(&pd.name) {
            all.insert(
                format!("{} -> {}", pd.name.value, other.pd.value),
                own.id.value.into(),
            );
        }
    }
    all
}

#[test]
fn another_guest_moves_nothing() {
    let text = file("tests/boot/systems/reference.xml");
    let guest = "<guest name='third' memory='64M'><image recipe='rtos'/><console/><uart/>\
                 <disk partition='third'/><nic mac='52:54:00:00:01:03'/><vsock cid='5'/><rng/></guest>";
    let before = places(&system(&text));
    let after = places(&system(
        &text.replace("<policy>", &format!("{guest}<policy>")),
    ));
    assert!(after.len() > before.len() + 20);
    for (what, place) in before {
        assert_eq!(after.get(&what), Some(&place), "{what}");
    }
}

#[test]
fn physical_addresses_are_only_where_devices_need_them() {
    let reference = system(&file("tests/boot/systems/reference.xml"));
    let fixed: Vec<&str> = reference
        .memory_regions
        .iter()
        .filter(|region| region.phys_addr.is_some())
        .map(|region| region.name.as_str())
        .collect();
    let windows: BTreeSet<&str> = reference
        .pds
        .iter()
        .flat_map(|pd| &pd.record.as_ref().expect("a record").entries)
        .filter_map(|entry| match &entry.target {
            RecordTarget::Window { mr } => Some(mr.as_str()),
            _ => None,
        })
        .collect();
    for name in fixed {
        assert!(
            windows.contains(name) || name.ends_with("_regs") || name == "gicv",
            "{name}"
        );
    }
    assert!(!windows.contains("cluster_ram"), "it has no disk");
    let base = |name: &str| {
        reference
            .memory_region(name)
            .and_then(|mr| mr.phys_addr)
            .map(|base| base.value)
    };
    assert_eq!(base("ivi_ram"), Some(0x4000_0000));
    assert_eq!(base("gateway_ram"), Some(0x5000_0000));
}

#[test]
fn one_writer_per_ring() {
    let reference = system(&file("tests/boot/systems/reference.xml"));
    for region in reference
        .memory_regions
        .iter()
        .filter(|mr| mr.name.contains("_to_"))
    {
        let (_, users) = region_meaning(&reference, &region.name);
        let writers = users.iter().filter(|user| user.contains(" rw ")).count();
        assert_eq!(
            (writers, users.len()),
            (1, 2),
            "{}: {users:?}",
            region.name.value
        );
    }
}

#[test]
fn the_policy_is_kept_for_the_checker() {
    let checked = check_with(&file("tests/boot/systems/reference.xml"), &HashMap::new());
    let policy = &checked.layout.policy;
    assert_eq!((policy.allow.len(), policy.deny.len()), (2, 2));
    let level = policy
        .criticality
        .iter()
        .find(|(of, _)| **of == "cluster")
        .map(|(_, level)| level);
    assert_eq!(level.map(|level| level.value.as_str()), Some("ASIL-B"));
    assert_eq!(
        checked.owners.get("net_ivi").map(String::as_str),
        Some("ivi")
    );
    assert_eq!(
        checked.owners.get("net_switch").map(String::as_str),
        Some("net_switch")
    );
}

#[test]
fn a_guest_reads_the_registers_of_its_slots_from_memory() {
    let page = |devices: &str| {
        let text = format!(
            "<system><driver name='arm_timer' class='timer'/><driver name='r' class='rng' device='rng0'/>\
             <guest name='g' memory='16M'><image recipe='r'/>{devices}</guest></system>"
        );
        let system = system(&text);
        let size = system
            .memory_region("vmm_g_virtio_page")
            .and_then(|page| page.size)?;
        let (_, users) = region_meaning(&system, "vmm_g_virtio_page");
        let users: Vec<String> = users.into_iter().collect();
        assert_eq!(users, ["vm of vmm_g at 0xa000000 r true", "vmm_g rw true"]);
        Some(size.value)
    };
    assert_eq!(page(""), None);
    assert_eq!(page("<rng/>"), Some(0x1000));
    assert_eq!(page("<rng slot='7'/>"), Some(0x1000));
    assert_eq!(page("<rng slot='8'/>"), Some(0x2000));
    assert_eq!(page("<rng slot='31'/>"), Some(0x4000));
}

#[test]
fn images_are_hashed_by_the_server_unless_the_monitor_ranks_above_it() {
    let reference = system(&file("tests/boot/systems/reference.xml"));
    let server = reference.pds.iter().find(|pd| *pd.name == "hash_server");
    let server = server.expect("it is there");
    assert!(server.passive.value && server.fpu.value);
    let clients: Vec<&str> = server
        .record
        .iter()
        .flat_map(|record| &record.entries)
        .filter(|entry| *entry.role == "client")
        .filter_map(|entry| match &entry.target {
            RecordTarget::Text { value } => Some(value.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(clients, ["ivi", "gateway"], "not the cluster's, at 211");
    for pd in reference.pds.iter().filter(|pd| *pd.name != "hash_server") {
        assert!(!pd.fpu.value, "{}", pd.name.value);
    }
}

#[test]
fn everybody_who_can_use_a_timer_has_it() {
    let reference = system(&file("tests/boot/systems/reference.xml"));
    for name in [
        "net_switch",
        "net_ivi",
        "vsock_router",
        "vsock_agent",
        "vmm_cluster",
    ] {
        let timer = reference
            .ends(name)
            .find(|(_, other)| *other.pd == "arm_timer");
        assert!(timer.is_some_and(|(own, _)| own.pp.value), "{name}");
    }
}

/// What the switch is told of guest `g` with the given attributes.
fn port(attributes: &str) -> BTreeMap<String, Vec<String>> {
    let text = format!(
        "<system><driver name='arm_timer' class='timer'/><driver name='net' class='net' device='eth0'/>\
         <service name='sw' kind='net-switch'/>\
         <guest name='g' memory='16M'><image recipe='r'/>\n{attributes}\n</guest></system>"
    );
    let system = system(&text);
    let switch = system.pds.iter().find(|pd| *pd.name == "sw");
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in &switch
        .and_then(|pd| pd.record.as_ref())
        .expect("a record")
        .entries
    {
        if let Some(role) = entry.role.strip_prefix("g.") {
            told.entry(role.to_owned())
                .or_default()
                .push(plain(&entry.target));
        }
    }
    told.retain(|role, _| role != "in" && role != "out");
    told
}

#[test]
fn a_network_port_has_the_policy_of_its_line() {
    let nic = "<nic mac='52:54:00:00:00:09' rate='10Mbit/s' burst='64K' storm='100' vlan='7' mtu='1400' allow='net'/>";
    let wanted = [
        ("allow", "net"),
        ("burst", "65536"),
        ("kind", "guest"),
        ("mac", "52:54:00:00:00:09"),
        ("mtu", "1400"),
        ("rate", "1250000"),
        ("storm", "100"),
        ("vlan", "7"),
    ];
    let wanted = wanted.map(|(role, value)| (role.to_owned(), vec![value.to_owned()]));
    assert_eq!(port(nic), BTreeMap::from(wanted));
    assert_eq!(port(""), BTreeMap::new(), "unplugged by deleting the line");
}

#[test]
fn what_serves_a_guest_with_limits_has_a_part_of_its_period() {
    let text = "<system><driver name='arm_timer' class='timer'/><guest name='g' memory='16M' budget='2ms' period='5ms'>\
                <image recipe='r'/></guest></system>";
    let times = |text: &str| {
        let system = system(text);
        let vmm = system
            .pds
            .iter()
            .find(|pd| *pd.name == "vmm_g")
            .expect("it");
        (vmm.budget_us.value, vmm.period_us.value)
    };
    assert_eq!(times(text), (2500, 5000));
    assert_eq!(times(&text.replace("5ms", "2ms")), (6000, 10_000));
    assert_eq!(
        times(&text.replace("2ms", "25us").replace("5ms", "30us")),
        (20, 30)
    );
}

#[test]
fn templates_have_no_findings() {
    for template in layout::template::Template::ALL {
        let checked = check_with(&template.text("mine"), &HashMap::new());
        assert_eq!(checked.diagnostics.brief(), "", "{template:?}");
        let system = checked.system.expect("it stands for a system");
        assert_eq!(system.name.map(|name| name.value), Some("mine".to_owned()));
    }
}

#[test]
fn the_reference_keeps_its_promises() {
    let checked = check_with(&file("tests/boot/systems/reference.xml"), &HashMap::new());
    assert_eq!(checked.diagnostics.brief(), "");
}

#[test]
fn the_reference_layout_is_short() {
    assert!(file("tests/boot/systems/reference.xml").lines().count() <= 80);
}

#[test]
fn spans_point_into_fragments() {
    let text = "<system><include file='b/x.xml'/></system>";
    let fragment = "<fragment>\n  <include file='y.xml'/>\n</fragment>".to_owned();
    let inner = "<fragment>\n\n   <driver name='d' class='nope'/>\n</fragment>".to_owned();
    let files = HashMap::from([
        ("b/x.xml".to_owned(), fragment),
        ("b/y.xml".to_owned(), inner),
    ]);
    let checked = check_with(text, &files);
    let brief = checked.diagnostics.brief();
    assert!(
        brief.starts_with("a/b/y.xml:3:28: error[class-unknown]"),
        "{brief}"
    );
    let json = checked.diagnostics.to_json();
    assert_eq!(json["diagnostics"][0]["primary"]["file"], "a/b/y.xml");
    assert!(checked.diagnostics.render(false).contains("a/b/y.xml:3:28"));
}

#[test]
fn twenty_guests_are_quick() {
    let mut text = String::from(
        "<system><driver name='arm_timer' class='timer'/><driver name='uart_driver' class='serial' device='serial0'/>\
         <driver name='rng_driver' class='rng' device='rng0'/>",
    );
    // The console has nine keys; entropy has no limit.
    for guest in 0..20 {
        text.push_str(&format!(
            "<guest name='g{guest}' memory='2M'><image recipe='r'/><rng/></guest>"
        ));
    }
    for plain in 0..17 {
        text.push_str(&format!(
            "<protection_domain name='p{plain}' budget='100' period='1000'><program_image path='a'/>"
        ));
        for region in 0..17 {
            text.push_str(&format!(
                "<map mr='m{plain}_{region}' vaddr='{:#x}'/>",
                0x4000_0000 + region * 0x1000
            ));
        }
        text.push_str("</protection_domain>");
        for region in 0..17 {
            text.push_str(&format!(
                "<memory_region name='m{plain}_{region}' size='0x1000'/>"
            ));
        }
    }
    text.push_str("</system>");
    let start = Instant::now();
    let large = system(&text);
    let time = start.elapsed();
    assert_eq!(large.pds.len(), 60);
    assert!(
        large.memory_regions.len() >= 390,
        "{}",
        large.memory_regions.len()
    );
    assert!(time < Duration::from_secs(1), "{time:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn mutated_layouts_do_not_panic(
        edits in prop::collection::vec((any::<usize>(), 0..12_usize, any::<prop::sample::Index>()), 1..5),
    ) {
        const FRAGMENTS: [&str; 16] = [
            "\"", "<", "/>", "", "18446744073709551615", "<guest name=\"x\" memory=\"2M\">", "<disk partition=\"p\"/>",
            "<include file=\"a\"/>", " slot=\"31\"", "é", "0x", "M", "<policy>", " to=\"ivi\"", "0", "<!--",
        ];
        let text = file("tests/boot/systems/reference.xml");
        let mut chars: Vec<char> = text.chars().collect();
        for (at, remove, fragment) in &edits {
            let at = at % (chars.len() + 1);
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, fragment.get(&FRAGMENTS).chars());
        }
        let text: String = chars.into_iter().collect();
        let checked = check_with(&text, &HashMap::new());
        prop_assert_eq!(checked.system.is_some(), !checked.diagnostics.has_errors());
        let _ = (checked.diagnostics.render(true), checked.diagnostics.to_json());
    }

    #[test]
    fn damaged_device_trees_do_not_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let boards = root().join("images/boards/qemu_virt_aarch64.toml");
        let board: sdf::Board = toml::from_str(&std::fs::read_to_string(&boards).expect("board")).expect("data");
        let mut tree = std::fs::read(boards.with_extension("dtb")).expect("device tree");
        let at = at.index(tree.len());
        tree[at] = byte;
        let _ = layout::Devices::read(&board, &tree);
    }
}
