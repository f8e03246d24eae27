// SPDX-License-Identifier: BSD-2-Clause
//! Where files come from, and what is said when they do not.

use std::collections::HashMap;
use std::path::Path;

use sdf::lower::EncodeError;
use sdf::{FileError, Files, NoFiles, Overlay, SearchPath};

fn corpus() -> SearchPath {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdf");
    // The first folder has no such files.
    SearchPath {
        dirs: vec![root.join("good"), root.join("files")],
    }
}

#[test]
fn the_first_folder_that_has_a_file_gives_it() {
    let files = corpus();
    let text = files.read("text.bin").expect("there");
    assert!(text.len() > 1);
    assert_eq!(files.size("text.bin"), Ok(text.len() as u64));
    assert_eq!(files.read("empty.bin"), Ok(Vec::new()));
    for path in ["missing.bin", "."] {
        assert_eq!(files.size(path), Err(FileError::NotFound));
        assert_eq!(files.read(path), Err(FileError::NotFound));
        assert_eq!(files.find(path), None);
    }
}

#[test]
fn files_of_the_run_stand_before_others() {
    let base = corpus();
    let made = vec![1, 2, 3];
    let files = Overlay {
        files: HashMap::from([("text.bin".to_owned(), made.clone())]),
        base: &base,
    };
    assert_eq!(files.size("text.bin"), Ok(3));
    assert_eq!(files.read("text.bin"), Ok(made));
    assert_eq!(files.size("empty.bin"), Ok(0));
    assert_eq!(files.read("empty.bin"), Ok(Vec::new()));
    assert_eq!(files.read("missing.bin"), Err(FileError::NotFound));
}

#[test]
fn without_files_nothing_is_known() {
    assert_eq!(NoFiles.size("text.bin"), Err(FileError::Unknown));
    assert_eq!(NoFiles.read("text.bin"), Err(FileError::Unknown));
}

#[test]
fn errors_say_why() {
    for (error, says) in [
        (FileError::NotFound, "it is in no search directory"),
        (FileError::Unreadable("is busy".to_owned()), "is busy"),
        (FileError::Unknown, "files were not looked at"),
    ] {
        assert_eq!(error.to_string(), says);
    }
    let missing = EncodeError::NoEntryPoint("child".to_owned());
    assert_eq!(
        missing.to_string(),
        "the entry point of `child` is not known"
    );
    let full = EncodeError::NoSpace;
    assert_eq!(full.to_string(), "the record does not fit its region");
}

/// A file that is there but cannot be read.
struct Broken;

impl Files for Broken {
    fn size(&self, _: &str) -> Result<u64, FileError> {
        Err(FileError::Unreadable("the disk is on fire".to_owned()))
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.size(path).map(|_| Vec::new())
    }
}

const PREFILLED: &str = r#"<system>
    <memory_region name="m" size="0x1000" prefill_path="it.bin"/>
    <protection_domain name="a">
        <program_image path="a.elf"/>
        <map mr="m" vaddr="0x20_0000"/>
    </protection_domain>
</system>"#;

#[test]
fn an_unreadable_prefill_is_refused_with_the_reason() {
    let checked = sdf::check(PREFILLED, "a", None, &Broken);
    assert_eq!(
        checked.diagnostics.brief(),
        "a:2:57: error[mr-prefill]: `it.bin` cannot be read: the disk is on fire\n"
    );
}

#[test]
fn a_prefill_may_fill_its_region_to_the_last_byte() {
    let check = |bytes: usize| {
        let files = Overlay {
            files: HashMap::from([("it.bin".to_owned(), vec![1; bytes])]),
            base: &NoFiles,
        };
        sdf::check(PREFILLED, "a", None, &files).system.is_some()
    };
    assert!(check(1) && check(0x1000));
    assert!(!check(0) && !check(0x1001));
}

/// What a parent is told about its child waits for the child's program.
#[test]
fn a_record_is_not_encoded_without_the_childs_entry_point() {
    let text = r#"<system><protection_domain name="a"><program_image path="a.elf"/>
        <protection_domain name="b" id="3"><program_image path="b.elf"/></protection_domain>
        <record><child role="c" pd="b"/><text role="t" value="x"/></record>
        </protection_domain></system>"#;
    let system = sdf::parse(text, "a").expect("good");
    let lowered = sdf::lower(&system, &NoFiles).expect("lowers");
    let image = &lowered.records[0];
    assert_eq!(
        image.encode(&|_| None),
        Err(EncodeError::NoEntryPoint("b".to_owned()))
    );
    let asked = |pd: &str| (pd == "b").then_some(0x20_0004);
    let bytes = image.encode(&asked).expect("encodes");
    let read = record::Record::parse(&bytes).expect("a valid record");
    let child = read.child("c").expect("told");
    assert_eq!((child.id.get(), child.entry), (3, 0x20_0004));
    let small = sdf::RecordImage {
        size: 16,
        ..image.clone()
    };
    assert_eq!(small.encode(&asked), Err(EncodeError::NoSpace));
}

/// Lowering without the files that were there for the rules: every finding, in the order of the file.
#[test]
fn what_cannot_be_lowered_is_reported() {
    let text = r#"<system><memory_region name="m" prefill_path="it.bin" phys_addr="0x7000_0000"/>
        <protection_domain name="a"><program_image path="a.elf"/>
        <map mr="m" vaddr="0x20_0000"/>
        <record><window role="w" mr="m"/><region role="r" mr="m"/></record>
        </protection_domain></system>"#;
    let made = HashMap::from([("it.bin".to_owned(), vec![1; 8])]);
    let files = Overlay {
        files: made,
        base: &NoFiles,
    };
    let checked = sdf::check(text, "a", None, &files);
    let system = checked.system.expect("good with the file");
    let found = sdf::lower(&system, &NoFiles).expect_err("no sizes");
    assert_eq!(
        found.brief(),
        "a:4:38: error[record-target]: the size of `m` is not known\n\
         a:4:63: error[record-target]: address or size of `m` is not known\n"
    );
}
