// SPDX-License-Identifier: BSD-2-Clause
//! Small systems with everything they say, and what changes between them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use facts::diff::{Difference, diff, text};
use facts::{Backing, Facts, Kind, Right, Source, Verdict, facts, pictures};
use layout::Devices;
use sdf::{Board, NoFiles};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn board() -> (Board, Vec<u8>) {
    let folder = top().join("images/boards");
    let text = std::fs::read_to_string(folder.join("qemu_virt_aarch64.toml")).unwrap();
    let tree = std::fs::read(folder.join("qemu_virt_aarch64.dtb")).unwrap();
    (toml::from_str(&text).unwrap(), tree)
}

/// The facts of a system on QEMU's board.
fn read(text: &str) -> Facts {
    read_in(&top(), text)
}

fn check(folder: &Path, text: &str) -> layout::Checked {
    let (board, tree) = board();
    layout::check(layout::Input {
        name: "test.xml",
        text,
        board: Some(&board),
        device_tree: Some(&tree),
        tree: &layout::Folder(folder.to_path_buf()),
        files: &NoFiles,
    })
}

fn read_in(folder: &Path, text: &str) -> Facts {
    let checked = check(folder, text);
    derive(&checked, &checked.layout)
}

/// The facts of a checked system, held against the statements of `layout`.
fn derive(checked: &layout::Checked, layout: &layout::Layout) -> Facts {
    let (board, tree) = board();
    let system = checked.system.as_ref();
    let system = system.unwrap_or_else(|| panic!("{}", checked.diagnostics));
    facts(&Source {
        system,
        layout,
        owners: &checked.owners,
        board: Some(&board),
        devices: Devices::read(&board, &tree).ok().as_ref(),
        files: &NoFiles,
    })
}

const PLAIN: &str = r#"<system>
  <memory_region name="regs" size="0x1000" phys_addr="0x9000000"/>
  <memory_region name="ring" size="0x1000"/>
  <memory_region name="ram" size="0x200000" phys_addr="0x40000000"/>
  <memory_region name="gicv" size="0x2000" phys_addr="0x8040000"/>
  <protection_domain name="uart" priority="200" budget="100" period="1000">
    <program_image path="uart.elf"/>
    <map mr="regs" vaddr="0x2000000" perms="rw" cached="false"/>
    <map mr="ring" vaddr="0x3000000" perms="rw"/>
    <irq irq="33" id="0"/>
  </protection_domain>
  <protection_domain name="app" priority="100">
    <program_image path="app.elf"/>
    <map mr="ring" vaddr="0x3000000" perms="r"/>
    <protection_domain name="kid" id="1" priority="90"><program_image path="kid.elf"/></protection_domain>
  </protection_domain>
  <protection_domain name="vmm" priority="101">
    <program_image path="vmm.elf"/>
    <map mr="ram" vaddr="0x40000000" perms="rw"/>
    <virtual_machine name="linux" priority="100">
      <vcpu id="0"/>
      <map mr="ram" vaddr="0x40000000" perms="rwx"/>
      <map mr="gicv" vaddr="0x8010000" perms="rw" cached="false"/>
    </virtual_machine>
  </protection_domain>
  <protection_domain name="backend" priority="102">
    <program_image path="backend.elf"/>
    <map mr="ram" vaddr="0x40000000" perms="rw"/>
  </protection_domain>
  <channel><end pd="app" id="0" pp="true"/><end pd="uart" id="1"/></channel>
  <channel><end pd="backend" id="0"/><end pd="vmm" id="1" notify="false"/></channel>
</system>"#;

#[test]
fn plain_systems_are_understood_without_a_layout() {
    let facts = read(PLAIN);
    let kinds: Vec<_> = facts
        .subjects
        .iter()
        .map(|subject| (subject.name.as_str(), subject.kind, subject.owner.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("uart", Kind::Driver, "uart"),
            ("app", Kind::Service, "app"),
            ("kid", Kind::Service, "kid"),
            ("vmm", Kind::Monitor, "linux"),
            ("linux", Kind::Guest, "linux"),
            ("backend", Kind::Backend, "linux"),
        ]
    );
    let regs = facts.region("regs").unwrap();
    assert_eq!(
        (regs.backing, regs.device.as_deref()),
        (Backing::Device, Some("serial0"))
    );
    assert_eq!(facts.region("gicv").unwrap().backing, Backing::Banked);
    let ram = facts.region("ram").unwrap();
    assert_eq!(
        (ram.backing, ram.page, ram.users.len()),
        (Backing::Memory, Some(0x20_0000), 3)
    );
    assert_eq!(facts.devices.len(), 1);
    assert_eq!(facts.devices[0].irqs, [(33, "uart".to_owned(), false)]);
}

#[test]
fn authority_is_complete_and_nothing_else() {
    let facts = read(PLAIN);
    let grants: Vec<String> = facts
        .authority
        .iter()
        .map(|grant| format!("{} {:?} {}", grant.subject, grant.right, grant.on))
        .collect();
    let mut expected = [
        "app Read ring",
        "app Notify uart",
        "app Call uart",
        "app Control kid",
        "backend Read ram",
        "backend Write ram",
        "backend Notify vmm",
        "linux Read gicv",
        "linux Read ram",
        "linux Write gicv",
        "linux Write ram",
        "linux Execute ram",
        "uart Read regs",
        "uart Read ring",
        "uart Write regs",
        "uart Write ring",
        "uart Notify app",
        "uart Interrupt interrupt 33",
        "vmm Read ram",
        "vmm Write ram",
        "vmm Control linux",
    ]
    .map(str::to_owned);
    let mut grants = grants;
    grants.sort();
    expected.sort();
    assert_eq!(grants, expected);
    assert!(facts.authority.is_sorted());
    assert!(
        facts
            .authority
            .iter()
            .all(|grant| grant.right != Right::Hold)
    );
}

#[test]
fn flows_follow_writers_messages_and_control_but_no_banked_registers() {
    let facts = read(PLAIN);
    let by = |from: &str, to: &str| -> Vec<&str> {
        let flows = facts.flows.iter();
        let flows = flows.filter(|flow| flow.from == from && flow.to == to);
        flows.map(|flow| flow.by.as_str()).collect()
    };
    assert_eq!(by("uart", "app"), ["call", "notification", "ring"]);
    assert_eq!(by("app", "uart"), ["call", "notification"]);
    assert_eq!(by("app", "kid"), ["control"]);
    assert_eq!(by("kid", "app"), ["control"]);
    assert_eq!(by("linux", "backend"), ["ram"]);
    assert_eq!(by("backend", "vmm"), ["notification", "ram"]);
    assert_eq!(by("vmm", "backend"), ["ram"]);
    assert!(by("uart", "linux").is_empty());
    assert!(!facts.flows.iter().any(|flow| flow.by == "gicv"));
}

fn changed(from: &str, to: &str) -> Difference {
    diff(&read(PLAIN), &read(&PLAIN.replace(from, to)))
}

fn lines(difference: &Difference) -> Vec<String> {
    let text = text(difference, |_, line| line.to_owned());
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_system_does_not_differ_from_itself() {
    let difference = diff(&read(PLAIN), &read(PLAIN));
    assert!(difference.same);
    assert_eq!(text(&difference, |_, line| line.to_owned()), "");
}

#[test]
fn a_right_more_shows_as_authority_and_as_flow() {
    let from = r#"<map mr="ring" vaddr="0x3000000" perms="r"/>"#;
    let difference = changed(from, &from.replace("\"r\"", "\"rw\""));
    let lines = lines(&difference);
    assert_eq!(
        lines,
        [
            "authority",
            "+ app writes ring",
            "flows between guests, services and drivers",
            "~ app → uart: not stated, by call and notification  →  not stated, by call, notification and ring",
            "direct flows between subjects",
            "~ app → uart: by call and notification  →  by call, notification and ring",
            "address spaces",
            "~ ring in app: r at 0x3000000  →  rw at 0x3000000",
        ]
    );
}

#[test]
fn time_memory_and_interrupts_show_as_such() {
    let time = lines(&changed("budget=\"100\"", "budget=\"200\""));
    assert_eq!(
        time,
        [
            "schedule",
            "~ uart: priority 200, 100 us in 1 ms, core 0  →  priority 200, 200 us in 1 ms, core 0"
        ]
    );
    let memory = lines(&changed(
        "name=\"ring\" size=\"0x1000\"",
        "name=\"ring\" size=\"0x3000\"",
    ));
    assert_eq!(
        memory,
        [
            "memory",
            "~ ring: 4 KiB placed at boot, pages of 4 KiB  →  12 KiB placed at boot, pages of 4 KiB"
        ]
    );
    let irq = lines(&changed(
        "<irq irq=\"33\" id=\"0\"/>",
        "<irq irq=\"34\" id=\"0\" trigger=\"edge\"/>",
    ));
    assert!(
        irq.contains(&"- uart receives interrupt 33".to_owned()),
        "{irq:?}"
    );
    assert!(
        irq.contains(&"+ interrupt 34: edge, to uart".to_owned()),
        "{irq:?}"
    );
}

const LAYOUT: &str = r#"<system name="small">
  <driver name="timer" class="timer" device="timer0"/>
  <driver name="uart" class="serial" device="serial0"/>
  <service name="mux" kind="console-mux"/>
  <guest name="a" memory="16M" priority="100" criticality="QM"><image recipe="rtos"/><uart/></guest>
  <guest name="b" memory="16M" priority="210" budget="2ms" period="5ms" criticality="ASIL-B"><image recipe="rtos"/><uart/></guest>
  <policy>
    <deny from="a" to="b"/>
    <allow from="b" to="a"/>
    <allow from="uart" to="mux"/>
  </policy>
</system>"#;

#[test]
fn statements_are_held_against_what_is_there() {
    let facts = read(LAYOUT);
    let of = |from: &str, to: &str| {
        let mut all = facts.policy.iter();
        all.find(|judged| judged.from == from && judged.to == to)
            .unwrap()
    };
    assert_eq!(of("uart", "mux").verdict, Verdict::Allowed);
    assert_eq!(of("mux", "uart").verdict, Verdict::Found);
    assert_eq!(of("a", "mux").verdict, Verdict::Found);
    let denied = of("a", "b");
    assert_eq!(denied.verdict, Verdict::Prevented);
    assert_eq!(denied.through, ["mux", "timer"], "both serve both guests");
    assert_eq!(of("b", "a").verdict, Verdict::Allowed);
    let guest = facts.subject("b").unwrap();
    assert_eq!(
        (guest.kind, guest.criticality.as_deref()),
        (Kind::Guest, Some("ASIL-B"))
    );
    assert_eq!(facts.name, "small");
}

#[test]
fn a_denied_flow_that_is_there_is_forbidden() {
    // The layout's own rules refuse such a system, so its statements are held against another one.
    let checked = check(&top(), LAYOUT);
    let denied = r#"<deny from="mux" to="uart"/><allow from="a" to="nobody"/></policy>"#;
    let stated = check(&top(), &LAYOUT.replace("</policy>", denied)).layout;
    let facts = derive(&checked, &stated);
    let verdict = |to: &str| {
        let mut all = facts.policy.iter();
        all.find(|judged| judged.to == to && judged.verdict != Verdict::Found)
            .map(|judged| judged.verdict)
    };
    assert_eq!(verdict("uart"), Some(Verdict::Forbidden));
    assert_eq!(verdict("nobody"), Some(Verdict::Missing));
}

#[test]
fn what_domains_are_told_shows_when_it_changes() {
    let after = LAYOUT
        .replace("name=\"b\"", "name=\"c\"")
        .replace("\"b\"", "\"c\"");
    let lines = lines(&diff(&read(LAYOUT), &read(&after)));
    let settings = lines.iter().skip_while(|line| *line != "settings").nth(1);
    assert_eq!(settings.unwrap(), "~ mux: client: a and b  →  a and c");
}

/// Every system that the rules accept, of both languages.
fn corpus() -> Vec<(PathBuf, Facts)> {
    let mut all = Vec::new();
    for folder in ["tests/sdf/good", "tests/layout/good", "tests/boot/systems"] {
        let folder = top().join(folder);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|ext| ext == "xml" || ext == "system")
            })
            .collect();
        files.sort();
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let checked = check(&folder, &text);
            if checked.system.is_some() {
                all.push((path, derive(&checked, &checked.layout)));
            }
        }
    }
    assert!(all.len() > 10, "only {}", all.len());
    all
}

#[test]
fn every_good_system_has_pictures_that_name_all_of_it() {
    for (path, facts) in corpus() {
        let draw = |facts: &Facts| {
            [
                picture::graph(&pictures::parts(facts)),
                picture::memory(&pictures::memory(facts)),
                picture::schedule(&pictures::schedule(facts)),
                picture::flows(&pictures::flows(facts)),
            ]
        };
        let svgs = draw(&facts);
        assert_eq!(svgs, draw(&facts), "{}", path.display());
        let [parts, memory, schedule, flows] = svgs.each_ref().map(|svg| {
            let document = roxmltree::Document::parse(svg).unwrap();
            let texts = document
                .descendants()
                .filter(|node| node.has_tag_name("text"));
            let texts: Vec<&str> = texts.filter_map(|node| node.text()).collect();
            texts.join("\n")
        });
        for subject in &facts.subjects {
            let name = subject.name.as_str();
            assert!(parts.contains(name), "{name} in {}", path.display());
            assert!(schedule.contains(name), "{name} in {}", path.display());
            assert!(
                flows.contains(&subject.owner),
                "{name} in {}",
                path.display()
            );
        }
        for region in facts.regions.iter().filter(|region| region.size.is_some()) {
            // A picture's text has no line breaks.
            let shown = region.name.replace(['\t', '\n', '\r'], " ");
            assert!(
                memory.contains(&shown),
                "{} in {}",
                region.name,
                path.display()
            );
        }
    }
}

#[test]
fn facts_are_json_and_the_same_every_time() {
    for (path, facts) in corpus() {
        let json = serde_json::to_string(&facts).unwrap();
        assert!(json.contains("\"subjects\""), "{}", path.display());
        assert!(diff(&facts, &facts.clone()).same);
    }
}
