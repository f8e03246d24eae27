// SPDX-License-Identifier: BSD-2-Clause
//! Drivers and services by manifests of a third party: what they get, and what is said of manifests that
//! make no sense.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a helper panics at fails its test"
)]

use layout::manifest::Manifest;
use layout::{Checked, Input};
use sdf::model::{RecordTarget, System};
use std::collections::HashMap;
use std::path::Path;

const HEAD: &str = r#"
elf = "it.elf"
kind = "driver"
class = "it"
stack = "8K"
priority = 100
budget = "100us"
period = "10ms"
restart = "hold"
"#;

fn check_with(text: &str, manifests: &[(&str, String)]) -> Checked {
    let board =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/boards/qemu_virt_aarch64.toml");
    let tree = std::fs::read(board.with_extension("dtb")).expect("device tree");
    let board = std::fs::read_to_string(board).expect("board file");
    let board: sdf::Board = toml::from_str(&board).expect("board data");
    let files: HashMap<String, String> = manifests
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.clone()))
        .collect();
    layout::check(Input {
        name: "it.xml",
        text,
        board: Some(&board),
        device_tree: Some(&tree),
        tree: &files,
        files: &sdf::NoFiles,
    })
}

/// A system with one driver by `manifest` with `attributes` and `children`.
fn one(manifest: &str, attributes: &str, children: &str) -> Checked {
    let text = format!(
        "<system name=\"t\">\n<driver name=\"it\" class=\"it\" manifest=\"it.toml\"{attributes}>{children}</driver>\n\
         <driver name=\"other\" class=\"it\" manifest=\"other.toml\"/>\n</system>"
    );
    let other = HEAD.replace("it.elf", "other.elf");
    check_with(
        &text,
        &[
            ("it.toml", format!("{HEAD}{manifest}")),
            ("other.toml", other),
        ],
    )
}

fn system(checked: Checked) -> System {
    checked
        .system
        .unwrap_or_else(|| panic!("{}", checked.diagnostics))
}

/// What is said about it, without places.
fn said(checked: &Checked) -> Vec<String> {
    let items = checked.diagnostics.items.iter();
    items
        .map(|item| format!("{}: {}", item.rule.id, item.message))
        .collect()
}

const DEVICE: &str = "compatible = [\"virtio,mmio\"]\n";

#[test]
fn a_manifest_that_makes_no_sense_is_refused_with_the_reason() {
    let region = |more: &str| format!("{HEAD}[[region]]\nrole = \"r\"\n{more}");
    let link = |more: &str| {
        format!("{HEAD}[[link]]\ninterface = \"i\"\nside = \"server\"\nrole = \"r\"\n{more}")
    };
    let backend = |more: &str| {
        let head = HEAD.replace("\"driver\"", "\"backend\"");
        format!("{head}{more}")
    };
    let source = "region `r` has not exactly one of device, size and ram";
    let shown = "region `r`: only a monitor shows memory of its own, for one slot or more";
    let percent = "exactly backends and monitors have percent, 1 to 100";
    let prefix = "exactly backends and monitors have a prefix";
    let many = "link `r`: exactly a role for many clients has {name} or {slot}";
    let show = "shown = { at = 4096, slots = 1, most = 1 }\n";
    let monitor = |slots: u64, what: &str| {
        let head = HEAD.replace("\"driver\"", "\"monitor\"");
        format!(
            "{head}percent = 1\nprefix = \"p\"\n[[region]]\nrole = \"r\"\n{what}\n\
             shown = {{ at = 4096, slots = {slots}, most = 1 }}\n"
        )
    };
    for (text, wanted) in [
        (region(""), Some(source)),
        (region("size = \"4K\"\nram = true\n"), Some(source)),
        (region("size = \"4K\"\ndevice = 0\n"), Some(source)),
        (region("size = \"4K\"\n"), None),
        (region("device = 0\n"), None),
        (region("ram = true\n"), None),
        (region(&format!("size = \"4K\"\n{show}")), Some(shown)),
        (monitor(1, "size = \"4K\""), None),
        (monitor(0, "size = \"4K\""), Some(shown)),
        (monitor(1, "ram = true"), Some(shown)),
        (
            HEAD.replace("\"100us\"", "\"10001us\""),
            Some("the budget is longer than the period"),
        ),
        (HEAD.replace("\"100us\"", "\"10ms\""), None),
        (format!("{HEAD}percent = 5\n"), Some(percent)),
        (backend("prefix = \"p\"\n"), Some(percent)),
        (backend("prefix = \"p\"\npercent = 0\n"), Some(percent)),
        (backend("prefix = \"p\"\npercent = 101\n"), Some(percent)),
        (backend("prefix = \"p\"\npercent = 1\n"), None),
        (backend("prefix = \"p\"\npercent = 100\n"), None),
        (backend("percent = 5\n"), Some(prefix)),
        (format!("{HEAD}prefix = \"p\"\n"), Some(prefix)),
        (link("many = true\n"), Some(many)),
        (
            link("").replace("\"r\"", "\"r.{name}\""),
            Some("link `r.{name}`: exactly a role for many clients has {name} or {slot}"),
        ),
        (link(""), None),
        (link("many = true\n").replace("\"r\"", "\"r.{slot}\""), None),
        (
            link("")
                .replace("server", "client")
                .replace("\"r\"", "\"{x}\""),
            None,
        ),
    ] {
        let found = Manifest::parse(&text).err();
        assert_eq!(found.as_deref(), wanted, "{text}");
    }
    for (stack, says) in [
        ("\"8\"", "x"),
        ("\"\"", "does not begin"),
        ("true", "expected a string"),
        ("-1", "expected a string"),
    ] {
        let found = Manifest::parse(&HEAD.replace("\"8K\"", stack));
        match found {
            Ok(manifest) => assert_eq!((stack, manifest.stack), ("\"8\"", 8)),
            Err(problem) => assert!(problem.contains(says), "{problem}"),
        }
    }
}

#[test]
fn a_driver_gets_registers_interrupts_and_memory_as_its_manifest_says() {
    let manifest = format!(
        "{DEVICE}[[region]]\nrole = \"regs\"\ndevice = 0\n[[region]]\nrole = \"own.ring\"\nsize = \"8K\"\n\
         [[region]]\nrole = \"dma\"\nsize = \"2M\"\ndma = true\n[[irq]]\nrole = \"irq\"\n"
    );
    let checked = one(&manifest, " device=\"disk0\"", "");
    let system = system(checked);
    let pd = &system.pds[0];
    let maps: Vec<_> = pd
        .maps
        .iter()
        .map(|map| (map.mr.value.as_str(), map.vaddr.value, map.cached.value))
        .collect();
    // A page of distance behind the ring, then the next multiple of a large page.
    assert_eq!(
        maps,
        [
            ("it_regs", 0x2000_0000, false),
            ("it_own_ring", 0x2100_0000, true),
            ("it_dma", 0x2120_0000, true),
        ]
    );
    let region = |name: &str| {
        let region = system.memory_region(name).expect("made");
        (
            region.size.map(|it| it.value),
            region.phys_addr.map(|it| it.value),
        )
    };
    assert_eq!(region("it_regs"), (Some(0x1000), Some(0xa00_0000)));
    assert_eq!(region("it_own_ring"), (Some(0x2000), None));
    // The highest large page below 4 GiB and what the kernel keeps.
    assert_eq!(
        region("it_dma"),
        (Some(0x20_0000), Some(0xc000_0000 - (64 << 20) - 0x20_0000))
    );
    let irq = &pd.irqs[0];
    assert_eq!((irq.irq.value, irq.id.value), (48, 0));
    let roles: Vec<_> = pd
        .record
        .iter()
        .flat_map(|it| &it.entries)
        .map(|it| it.role.value.as_str())
        .collect();
    // The slots of QEMU's virtio devices are less than a page.
    assert_eq!(roles, ["regs", "own.ring", "dma", "dma", "irq"]);
}

#[test]
fn what_a_device_does_not_have_is_said() {
    let manifest = format!(
        "{DEVICE}[[region]]\nrole = \"regs\"\ndevice = 1\n[[irq]]\nrole = \"irq\"\nindex = 1\n"
    );
    assert_eq!(
        said(&one(&manifest, " device=\"disk0\"", "")),
        [
            "device-compatible: the device has no interrupt 1",
            "device-compatible: the device has no registers 1",
        ]
    );
    assert_eq!(
        said(&one("", " device=\"disk0\"", "")),
        ["device-need: `it` does not use a device"]
    );
}

#[test]
fn memory_that_does_not_fit_is_refused() {
    let with = |size: &str| {
        let manifest = format!("[[region]]\nrole = \"r\"\nsize = \"{size}\"\n");
        said(&one(&manifest, "", ""))
    };
    // From 0x2100_0000 to 0x3000_0000, a page of distance behind it.
    assert_eq!(with("251654144"), Vec::<String>::new());
    assert_eq!(
        with("251658240"),
        ["layout-room: `it` has no room for its region `r`"]
    );
    let two =
        "[[region]]\nrole = \"a\"\nsize = \"128M\"\n[[region]]\nrole = \"b\"\nsize = \"128M\"\n";
    assert_eq!(
        said(&one(two, "", "")),
        ["layout-room: `it` has no room for its region `b`"]
    );
}

#[test]
fn a_manifest_of_a_monitor_makes_no_driver() {
    let text =
        "<system name=\"t\"><driver name=\"it\" class=\"it\" manifest=\"it.toml\"/></system>";
    let monitor = HEAD.replace("\"driver\"", "\"monitor\"") + "percent = 1\nprefix = \"p\"\n";
    let checked = check_with(text, &[("it.toml", monitor)]);
    assert_eq!(
        said(&checked)[0],
        "manifest-file: it is of no driver and no service"
    );
}

#[test]
fn times_are_the_layouts_or_the_manifests_share_of_them() {
    let times = |attributes: &str| {
        let system = system(one("", attributes, ""));
        let pd = &system.pds[0];
        (pd.budget_us.value, pd.period_us.value)
    };
    assert_eq!(times(""), (100, 10_000));
    assert_eq!(times(" budget=\"300us\" period=\"1ms\""), (300, 1000));
    assert_eq!(times(" budget=\"300us\""), (300, 300));
    assert_eq!(times(" period=\"50ms\""), (500, 50_000));
    let pd = |attributes: &str| system(one("", attributes, "")).pds[0].clone();
    assert_eq!(pd("").stack_size.value, 0x2000);
    assert_eq!(pd(" stack=\"16K\"").stack_size.value, 0x4000);
    assert_eq!(
        (pd("").priority.value, pd(" priority=\"7\"").priority.value),
        (100, 7)
    );
    assert_eq!(pd("").image.path.value, "it.elf");
    assert_eq!(pd(" elf=\"mine.elf\"").image.path.value, "mine.elf");
}

const SETTINGS: &str = r#"
[[setting]]
name = "gain"
type = "value"
required = true
[[setting]]
name = "label"
type = "text"
role = "name"
default = "none"
[[setting]]
name = "peers"
type = "clients"
[[setting]]
name = "level"
type = "value"
default = 9
"#;

#[test]
fn settings_are_told_under_their_roles() {
    let set = |name: &str, value: &str| format!("<setting name=\"{name}\" value=\"{value}\"/>");
    let told = |children: &str| -> Vec<String> {
        let system = system(one(SETTINGS, "", children));
        let entries = system.pds[0].record.iter().flat_map(|it| &it.entries);
        entries
            .map(|entry| match &entry.target {
                RecordTarget::Value { value } => format!("{} {}", entry.role.value, value.value),
                RecordTarget::Text { value } => format!("{} `{}`", entry.role.value, value.value),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(
        told(&set("gain", "0x10")),
        ["gain 16", "name `none`", "level 9"]
    );
    let all = [
        set("gain", "1"),
        set("label", "l m"),
        set("peers", "a b"),
        set("level", "2"),
    ];
    assert_eq!(
        told(&all.concat()),
        ["gain 1", "name `l m`", "peers `a`", "peers `b`", "level 2"]
    );
    assert_eq!(
        said(&one(SETTINGS, "", "")),
        ["setting: `it` needs the setting `gain`"]
    );
    assert_eq!(
        said(&one(SETTINGS, "", &set("gain", "x"))),
        ["value-form: `x` is no number"]
    );
    let wrong = one(SETTINGS, "", &[set("gain", "1"), set("gian", "1")].concat());
    assert_eq!(said(&wrong), ["setting: `it` has no setting `gian`"]);
    let help = wrong.diagnostics.items[0].help.as_deref();
    assert_eq!(help, Some("known: gain, label, peers, level"));
    let none = one("", "", &set("x", "1"));
    assert_eq!(
        none.diagnostics.items[0].help.as_deref(),
        Some("it has no settings")
    );
}

/// Two parts that talk, `clients` clients and one server.
fn talk(clients: usize, client: &str, server: &str) -> Checked {
    let mut text = String::from("<system name=\"t\">\n");
    for number in 0..clients {
        text.push_str(&format!(
            "<driver name=\"c{number}\" class=\"c\" manifest=\"c.toml\"/>\n"
        ));
    }
    text.push_str("<service name=\"s\" kind=\"s\" manifest=\"s.toml\"/>\n</system>");
    let link = "[[link]]\ninterface = \"i\"\n";
    let server_head = HEAD
        .replace("\"driver\"", "\"service\"")
        .replace("100\n", "150\n");
    check_with(
        &text,
        &[
            (
                "c.toml",
                format!("{HEAD}{link}side = \"client\"\nrole = \"s\"\n{client}"),
            ),
            (
                "s.toml",
                format!(
                    "{server_head}{link}side = \"server\"\nmany = true\nrole = \"c.{{name}}\"\n{server}"
                ),
            ),
        ],
    )
}

#[test]
fn rings_go_from_their_writer_to_their_reader() {
    let system = system(talk(
        2,
        "out = \"4K\"\ncall = true\n",
        "out = \"8K\"\nout_role = \"to.{name}\"\nin_role = \"from.{name}\"\nannounce = \"clients\"\n",
    ));
    let maps = |pd: usize| -> Vec<String> {
        let maps = system.pds[pd].maps.iter();
        maps.map(|map| {
            format!(
                "{} {:#x} {}",
                map.mr.value, map.vaddr.value, map.perms.value
            )
        })
        .collect()
    };
    assert_eq!(maps(0), ["c0_to_s 0x21000000 rw", "s_to_c0 0x21002000 r"]);
    assert_eq!(
        maps(2),
        [
            "c0_to_s 0x21000000 r",
            "s_to_c0 0x21002000 rw",
            "c1_to_s 0x21005000 r",
            "s_to_c1 0x21007000 rw",
        ]
    );
    let roles = |pd: usize| -> Vec<&str> {
        let entries = system.pds[pd].record.iter().flat_map(|it| &it.entries);
        entries.map(|entry| entry.role.value.as_str()).collect()
    };
    assert_eq!(roles(0), ["s.out", "s.in", "s"]);
    assert_eq!(
        roles(2),
        [
            "clients", "from.c0", "to.c0", "c.c0", "clients", "from.c1", "to.c1", "c.c1",
        ]
    );
    let ends: Vec<_> = system
        .channels
        .iter()
        .flat_map(|channel| &channel.ends)
        .map(|end| {
            (
                end.pd.value.as_str(),
                end.id.value,
                end.pp.value,
                end.notify.value,
            )
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("c0", 0, true, true),
            ("s", 0, false, true),
            ("c1", 0, true, true),
            ("s", 1, false, true),
        ]
    );
}

#[test]
fn a_server_has_62_channels() {
    assert_eq!(said(&talk(62, "", "")), Vec::<String>::new());
    let wanted = "layout-room: `s` has more than 62 channels and interrupts";
    assert_eq!(said(&talk(63, "", ""))[0], wanted);
}

#[test]
fn rings_that_do_not_fit_are_refused() {
    let found = said(&talk(2, "out = \"128M\"\n", ""));
    assert_eq!(found[0], "layout-room: `s` has no address space left");
}

/// A system file that asks for nothing of the kind keeps what it says.
#[test]
fn physical_addresses_are_given_from_the_top_of_ram_down() {
    let window = "[[region]]\nrole = \"r\"\nsize = \"4K\"\ndma = true\n[[region]]\nrole = \"q\"\nsize = \"12K\"\ndma = true\n";
    let manifest = format!("{HEAD}{window}");
    let top = 0xc000_0000_u64 - (64 << 20);
    let place = |taken: &str| -> (u64, u64) {
        let text = format!(
            "<system name=\"t\">{taken}<driver name=\"it\" class=\"it\" manifest=\"it.toml\"/>\
             <protection_domain name=\"p\" budget=\"20\" period=\"90\"><program_image path=\"p.elf\"/></protection_domain></system>"
        );
        let system = system(check_with(&text, &[("it.toml", manifest.clone())]));
        let at = |name: &str| {
            let region = system.memory_region(name).expect("made");
            region.phys_addr.expect("given").value
        };
        (at("it_r"), at("it_q"))
    };
    let region = |name: &str, at: u64, size: u64| {
        format!("<memory_region name=\"{name}\" size=\"{size:#x}\" phys_addr=\"{at:#x}\"/>")
    };
    assert_eq!(place(""), (top - 0x1000, top - 0x4000));
    // What is taken is passed over, to the byte.
    let taken = region("a", top - 0x1000, 0x1000);
    assert_eq!(place(&taken), (top - 0x2000, top - 0x5000));
    let taken = region("a", top - 0x3000, 0x1000);
    assert_eq!(place(&taken), (top - 0x1000, top - 0x6000));
    let taken = region("a", top - 0x5000, 0x1000) + &region("b", top, 0x1000);
    assert_eq!(place(&taken), (top - 0x1000, top - 0x4000));
}

/// Parents and children, and capabilities, tell each other what they like.
#[test]
fn control_is_a_flow_in_both_directions() {
    let text = r#"<system name="t">
        <driver name="it" class="it" manifest="it.toml"/>
        <protection_domain name="p" budget="20" period="900" priority="9">
            <program_image path="p.elf"/>
            <cspace><cap_tcb slot="1" pd="q"/></cspace>
            <protection_domain name="c" id="1" budget="20" period="900"><program_image path="c.elf"/></protection_domain>
        </protection_domain>
        <protection_domain name="q" budget="20" period="900"><program_image path="q.elf"/></protection_domain>
    </system>"#;
    let checked = check_with(text, &[("it.toml", HEAD.to_owned())]);
    let steps: Vec<String> = checked
        .flows
        .steps
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        steps,
        [
            "`c` to `p` by faults and control",
            "`p` to `c` by faults and control",
            "`p` to `q` by capabilities",
            "`q` to `p` by capabilities",
        ]
    );
}

/// A folder on disk: files, files that are missing or no text, and links that lead out of it.
#[cfg(unix)]
#[test]
fn a_folder_gives_its_own_files_only() {
    use layout::{Folder, Tree};
    use sdf::FileError;
    let outside = tempfile::tempdir().expect("a folder");
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret"), "s").expect("written");
    std::fs::write(home.path().join("own"), "text").expect("written");
    std::fs::write(home.path().join("binary"), [0xff, 0xfe]).expect("written");
    let link = |from: &Path, to: &str| {
        std::os::unix::fs::symlink(from, home.path().join(to)).expect("linked");
    };
    link(&outside.path().join("secret"), "link");
    link(&home.path().join("own"), "inside");
    let tree = Folder(home.path().to_path_buf());
    assert_eq!(tree.read("own").as_deref(), Ok("text"));
    assert_eq!(tree.read("inside").as_deref(), Ok("text"));
    assert_eq!(tree.read("missing"), Err(FileError::NotFound));
    assert!(matches!(tree.read("binary"), Err(FileError::Unreadable(_))));
    let reason = "it is a link to a file outside of the layout's folder".to_owned();
    assert_eq!(tree.read("link"), Err(FileError::Unreadable(reason)));
    // The working folder, which is the crate's.
    let here = Folder(Path::new("").to_path_buf());
    assert!(
        here.read("Cargo.toml")
            .expect("there")
            .contains("name = \"layout\"")
    );
    let text = "<system name=\"t\"><include file=\"link\"/><include file=\"binary\"/></system>";
    let checked = layout::check(Input {
        name: "it.xml",
        text,
        board: None,
        device_tree: None,
        tree: &tree,
        files: &sdf::NoFiles,
    });
    let found = said(&checked);
    assert!(found[1].starts_with("file-escape: `link`: "), "{found:?}");
    assert!(
        found[2].starts_with("include-file: `binary`: "),
        "{found:?}"
    );
}

/// Beside guests, a plain domain that says neither budget nor period is warned about, and no other.
#[test]
fn plain_domains_beside_guests_say_how_long_they_may_run() {
    let with = |attributes: &str| {
        let text = format!(
            r#"<system name="t">
            <driver name="arm_timer" class="timer"/>
            <driver name="uart_driver" class="serial" device="serial0"/>
            <service name="console_mux" kind="console-mux"/>
            <protection_domain name="p"{attributes}><program_image path="p.elf"/></protection_domain>
            <guest name="g" memory="16M" priority="100" budget="1ms" period="10ms"><image recipe="rtos"/><uart/></guest>
            </system>"#
        );
        let found = said(&check_with(&text, &[]));
        found.iter().any(|line| line.starts_with("pd-unlimited: "))
    };
    assert!(with(""));
    assert!(!with(" budget=\"20\""));
    assert!(!with(" period=\"5000\""));
    assert!(!with(" budget=\"20\" period=\"5000\""));
}

/// A part may set what its server is told about it, as well as what it is told itself.
#[test]
fn settings_of_a_client_are_told_to_its_server() {
    let text = r#"<system name="t">
        <driver name="c" class="c" manifest="c.toml"><setting name="rate" value="5"/></driver>
        <service name="s" kind="s" manifest="s.toml"/>
    </system>"#;
    let link = "[[link]]\ninterface = \"i\"\n";
    let server = HEAD.replace("\"driver\"", "\"service\"");
    let checked = check_with(
        text,
        &[
            (
                "c.toml",
                format!("{HEAD}{link}side = \"client\"\nrole = \"s\"\n"),
            ),
            (
                "s.toml",
                format!(
                    "{server}{link}side = \"server\"\nmany = true\nrole = \"c.{{name}}\"\n\
                     [[link.setting]]\nname = \"rate\"\ntype = \"value\"\nrole = \"rate.{{name}}\"\n"
                ),
            ),
        ],
    );
    let system = system(checked);
    let entries = system.pds[1].record.iter().flat_map(|it| &it.entries);
    let roles: Vec<&str> = entries.map(|entry| entry.role.value.as_str()).collect();
    assert_eq!(roles, ["c.c", "rate.c"]);
}

/// Only a higher priority puts the less critical guest first.
#[test]
fn a_less_critical_guest_is_not_above_a_critical_one() {
    let with = |low: u64, core: u64| {
        let guest = |name: &str, priority: u64, level: &str, core: u64| {
            format!(
                "<guest name=\"{name}\" memory=\"16M\" priority=\"{priority}\" cpu=\"{core}\" budget=\"1ms\" period=\"10ms\" \
                 criticality=\"{level}\"><image recipe=\"rtos\"/></guest>"
            )
        };
        let text = format!(
            "<system name=\"t\"><driver name=\"arm_timer\" class=\"timer\"/>{}{}</system>",
            guest("low", low, "QM", core),
            guest("high", 100, "ASIL-B", 0)
        );
        let found = said(&check_with(&text, &[]));
        found
            .iter()
            .any(|line| line.starts_with("priority-criticality: "))
    };
    assert!(with(101, 0));
    assert!(!with(100, 0) && !with(99, 0));
}
