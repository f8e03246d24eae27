// SPDX-License-Identifier: BSD-2-Clause
//! Tests of the bus against a device that records what reaches it.

use proptest::prelude::*;

use super::*;

/// Answers every access with its offset; refuses `refuse`.
#[derive(Default)]
struct Probe {
    seen: Vec<(Access, Option<u64>)>,
    refuse: Option<IoError>,
}

impl Device for Probe {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        self.seen.push((access, None));
        self.refuse.map_or(Ok(u64::MAX), Err)
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        self.seen.push((access, Some(value)));
        self.refuse.map_or(Ok(()), Err)
    }
}

fn window(base: u64, size: u64) -> Window {
    Window { base, size }
}

#[test]
fn an_access_reaches_its_device_relative_to_the_window() {
    let mut bus: Bus<Probe, 3> = Bus::new(Policy::default());
    let high = bus
        .insert(window(0x3000, 0x1000), Probe::default())
        .unwrap();
    let low = bus.insert(window(0x1000, 0x100), Probe::default()).unwrap();
    let done = bus.write(0x1004, Width::Half, 2, 0xaabb_ccdd).unwrap();
    assert_eq!(
        done,
        Completion {
            slot: Some(low),
            value: 0,
            ignored: None
        }
    );
    let done = bus.read(0x3ffc, Width::Word, 1).unwrap();
    assert_eq!(
        done,
        Completion {
            slot: Some(high),
            value: 0xffff_ffff,
            ignored: None
        }
    );
    let seen = &bus.device(low).unwrap().seen;
    assert_eq!(seen, &[(Access::new(4, Width::Half).by(2), Some(0xccdd))]);
    let seen = &bus.device(high).unwrap().seen;
    assert_eq!(seen, &[(Access::new(0xffc, Width::Word).by(1), None)]);
}

#[test]
fn windows_are_disjoint_by_construction() {
    let mut bus: Bus<Probe, 2> = Bus::new(Policy::default());
    bus.insert(window(0x1000, 0x1000), Probe::default())
        .unwrap();
    for (base, size) in [(0x1fff, 1), (0, 0x1001), (0, u64::MAX), (0x1800, 8)] {
        let error = bus
            .insert(window(base, size), Probe::default())
            .unwrap_err();
        assert!(
            matches!(error, MapError::Overlap { .. }),
            "{base:#x}: {error}"
        );
    }
    for (base, size) in [(0, 0), (u64::MAX, 2)] {
        let error = bus
            .insert(window(base, size), Probe::default())
            .unwrap_err();
        assert!(
            matches!(error, MapError::BadWindow(_)),
            "{base:#x}: {error}"
        );
    }
    bus.insert(window(0x2000, 1), Probe::default()).unwrap();
    assert_eq!(
        bus.insert(window(0x4000, 1), Probe::default()),
        Err(MapError::Full)
    );
}

#[test]
fn the_policy_decides_between_abort_and_raz_wi_and_everything_is_counted() {
    let odd = Probe {
        refuse: Some(IoError::Width),
        ..Probe::default()
    };
    let mut bus: Bus<Probe, 1> = Bus::new(Policy::AbortUnmapped);
    let slot = bus.insert(window(0x1000, 0x10), odd).unwrap();
    let done = bus.read(0x1000, Width::Byte, 0).unwrap();
    let ignored = Completion {
        slot: Some(slot),
        value: 0,
        ignored: Some(IoError::Width),
    };
    assert_eq!(done, ignored);
    let abort = bus.read(0x1010, Width::Byte, 0).unwrap_err();
    assert_eq!(
        abort,
        Abort {
            gpa: 0x1010,
            error: IoError::Unmapped
        }
    );
    let abort = bus.write(0x100d, Width::Word, 0, 0).unwrap_err();
    assert_eq!(abort.error, IoError::Straddles);
    assert_eq!(bus.counters().of(IoError::Width), 1);
    assert_eq!(bus.counters().of(IoError::Straddles), 1);
    assert_eq!(bus.counters().total(), 3);
    assert_eq!(
        bus.device(slot).unwrap().seen.len(),
        1,
        "straddling reached the device"
    );
}

#[test]
fn counters_have_one_place_per_error() {
    for (at, error) in IoError::ALL.into_iter().enumerate() {
        assert_eq!(error as usize, at);
        assert!(!Policy::Ignore.aborts(error));
        assert!(Policy::AbortAll.aborts(error));
    }
}

#[test]
fn access_checks() {
    assert_eq!(
        Access::new(6, Width::Word).word_only(),
        Err(IoError::Misaligned)
    );
    assert_eq!(
        Access::new(8, Width::Double).word_only(),
        Err(IoError::Width)
    );
    assert_eq!(Access::new(8, Width::Word).word_only(), Ok(8));
    assert_eq!(Access::new(8, Width::Byte).primecell(), Ok(8));
    assert_eq!(
        Access::new(9, Width::Byte).primecell(),
        Err(IoError::Misaligned)
    );
    assert_eq!(
        Access::new(8, Width::Double).primecell(),
        Err(IoError::Width)
    );
}

proptest! {
    /// Whatever windows are inserted, a lookup agrees with a search through all of them.
    #[test]
    fn lookup_agrees_with_linear_search(
        windows in proptest::collection::vec((0_u64..400, 0_u64..40), 0..12),
        gpa in 0_u64..450,
        sas in 0_u64..4,
    ) {
        let mut bus: Bus<Probe, 8> = Bus::new(Policy::Ignore);
        let mut accepted = Vec::new();
        for (base, size) in windows {
            if let Ok(slot) = bus.insert(window(base, size), Probe::default()) {
                accepted.push((slot, base, size));
            }
        }
        let width = Width::from_sas(sas);
        let hit = accepted.iter().find(|(_, base, size)| gpa >= *base && gpa < base + size);
        let fits = hit.filter(|(_, base, size)| gpa + width.bytes() <= base + size);
        let done = bus.read(gpa, width, 0).unwrap();
        prop_assert_eq!(done.slot, fits.map(|(slot, ..)| *slot));
        let expected = match (hit, fits) {
            (_, Some(_)) => None,
            (Some(_), None) => Some(IoError::Straddles),
            (None, _) => Some(IoError::Unmapped),
        };
        prop_assert_eq!(done.ignored, expected);
        if let Some((slot, base, _)) = fits {
            prop_assert_eq!(bus.device(*slot).unwrap().seen[0].0.offset, gpa - base);
        }
    }
}
