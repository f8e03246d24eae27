// SPDX-License-Identifier: BSD-2-Clause
//! Scripts against made-up consoles: each way to pass and each way to fail.

use super::*;

const DEV: Case<'static> = Case {
    kernel: "dev",
    config: "debug",
};

fn script(steps: &str) -> Script {
    let head = "summary = 's'\nsystem = 's.xml'\ntimeout = 10\nforbid = ['PANIC']\n";
    Script::parse(&format!("{head}{steps}")).unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn in_order_then_send_then_any_order() {
    let script = script(
        "[[step]]\nexpect = ['one', 'two']\n[[step]]\nsend = \"\\u0001n\"\n\
         [[step]]\nany-order = ['x', 'y']\n[[step]]\nmatch = 'took [0-9]+ us'\n",
    );
    let mut session = Session::new(&script, DEV);
    session.feed(b"two one\r\n");
    assert_eq!(session.poll(at(1)), Verdict::Wait(at(10)));
    session.feed(b"t\x1b[1mwo\n");
    assert_eq!(session.poll(at(2)), Verdict::Send(b"\x01n".to_vec()));
    session.feed(b"y then x, took 17 us");
    assert_eq!(session.poll(at(3)), Verdict::Passed);
}

/// Output before a step began does not count for it.
#[test]
fn a_step_sees_only_what_follows_the_previous_one() {
    let script = script("[[step]]\nexpect = ['b']\n[[step]]\nexpect = ['a']\n");
    let mut session = Session::new(&script, DEV);
    session.feed(b"a b");
    assert_eq!(session.poll(at(0)), Verdict::Wait(at(10)));
    session.feed(b" a");
    assert_eq!(session.poll(at(0)), Verdict::Passed);
}

#[test]
fn the_missing_text_is_named() {
    let script = script("[[step]]\nexpect = ['one', 'two']\ntimeout = 3\n");
    let mut session = Session::new(&script, DEV);
    session.feed(b"one");
    assert_eq!(session.poll(at(2)), Verdict::Wait(at(3)));
    let Verdict::Failed(reason) = session.poll(at(3)) else {
        panic!("not failed")
    };
    assert_eq!(
        reason.to_string(),
        "step 1: \"two\" did not appear within 3.0 s"
    );
}

#[test]
fn the_hard_limit_beats_the_steps_own() {
    let script = script("[[step]]\nexpect = ['never']\ntimeout = 60\n");
    let mut session = Session::new(&script, DEV);
    assert_eq!(session.poll(at(0)), Verdict::Wait(at(10)));
    assert!(matches!(
        session.poll(at(10)),
        Verdict::Failed(Reason::Missing { step: 1, .. })
    ));
}

#[test]
fn forbidden_text_fails_even_when_everything_else_is_there() {
    let script = script("[[step]]\nexpect = ['done']\n");
    let mut session = Session::new(&script, DEV);
    session.feed(b"first\nPANIC done");
    assert_eq!(session.poll(at(0)), Verdict::Wait(at(1)));
    session.feed(b" at x\nmore");
    assert_eq!(
        session.poll(at(0)),
        Verdict::Failed(Reason::Forbidden("PANIC done at x".to_owned()))
    );
}

#[test]
fn a_hold_watches_before_it_passes() {
    let script = script("[[step]]\nexpect = ['up']\n[[step]]\nhold = 2\n");
    let mut session = Session::new(&script, DEV);
    session.feed(b"up");
    assert_eq!(session.poll(at(1)), Verdict::Wait(at(3)));
    assert_eq!(session.poll(at(3)), Verdict::Passed);
    let mut session = Session::new(&script, DEV);
    session.feed(b"up");
    session.poll(at(1));
    session.feed(b"PANIC");
    assert_eq!(session.poll(at(2)), Verdict::Wait(at(3)));
    assert!(matches!(
        session.poll(at(3)),
        Verdict::Failed(Reason::Forbidden(_))
    ));
}

#[test]
fn steps_for_other_kernels_are_left_out() {
    let script = script(
        "[[step]]\nexpect = ['seL4']\nkernels = ['sel4']\n[[step]]\nexpect = ['dev']\n\
         [[step]]\nexpect = ['quiet']\nconfigs = ['release']\n",
    );
    let mut session = Session::new(&script, DEV);
    session.feed(b"dev");
    assert_eq!(session.poll(at(0)), Verdict::Passed);
    assert!(!script.applies(Case {
        kernel: "dev",
        config: "benchmark"
    }));
}

#[test]
fn a_qemu_that_ends_early_is_reported_with_what_was_awaited() {
    let script = script("[[step]]\nexpect = ['up']\n");
    let session = Session::new(&script, DEV);
    let text = session.ended("killed by signal 9".to_owned()).to_string();
    assert_eq!(
        text,
        "step 1: QEMU ended while waiting for \"up\": killed by signal 9"
    );
}

#[test]
fn bad_scripts_are_refused() {
    let head = "summary = 's'\nsystem = 's.xml'\ntimeout = 10\n";
    for (body, message) in [
        (
            "[[step]]\nexpect = ['a']\nsend = 'b'\n",
            "step 1: give exactly one of",
        ),
        ("[[step]]\ntimeout = 1\n", "step 1: give exactly one of"),
        ("[[step]]\nmatch = '('\n", "step 1: "),
        ("[[step]]\nhold = -1\n", "between 0 and 3600"),
        (
            "[[step]]\nexpect = ['a']\nkernels = ['linux']\n",
            "unknown kernel: linux",
        ),
        ("[[step]]\nexpct = ['a']\n", "unknown field"),
    ] {
        let error = Script::parse(&format!("{head}{body}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }
}
