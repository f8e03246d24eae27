// SPDX-License-Identifier: BSD-2-Clause
//! The callbacks that QEMU runs, and the state they share.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: every call goes through QEMU's C interface"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::args::Args;
use crate::counters::Layout;
use crate::ffi::{self, Block, Counter, Info, Instruction, PluginId, Scoreboard};
use crate::mark;
use crate::pages::{PAGE, Page, Pages};

/// Read by QEMU before it installs the plugin: the interface version that is used.
#[unsafe(no_mangle)]
static qemu_plugin_version: c_int = 4;

/// No host address of RAM is known yet.
const UNKNOWN: u64 = 0;

/// The page that was looked at last, and whose it is: a block rarely spans two.
type Seen = Option<(*const u8, Option<usize>)>;

struct State {
    args: Args,
    layout: Layout,
    pages: Pages,
    scoreboard: *mut Scoreboard,
    /// Host address minus physical address of RAM.
    offset: AtomicU64,
    out: Mutex<File>,
}

// SAFETY: The scoreboard is only ever passed back to QEMU, whose functions may be called with it
// from any of its threads; the rest is `Sync` by itself.
unsafe impl Sync for State {}
// SAFETY: As above; nothing in here belongs to the thread that made it.
unsafe impl Send for State {}

static STATE: OnceLock<State> = OnceLock::new();

impl State {
    fn counter(&self, index: usize) -> Counter {
        Counter {
            scoreboard: self.scoreboard,
            offset: index * size_of::<u64>(),
        }
    }

    fn note(&self, mark: Option<u32>) {
        let line = self.layout.line(mark, |index| {
            // SAFETY: The scoreboard was made by QEMU, and the index is within its layout.
            unsafe { ffi::qemu_plugin_u64_sum(self.counter(index)) }
        });
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk shows as missing marks, which whoever reads the file must check anyway.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// The physical address of an instruction in RAM.
    fn physical(&self, virt: u64, host: u64) -> Option<u64> {
        let (start, end) = self.args.boot;
        if host == 0 {
            return None;
        }
        if self.offset.load(Ordering::Relaxed) == UNKNOWN && (start..end).contains(&virt) {
            self.offset
                .store(host.wrapping_sub(virt), Ordering::Relaxed);
        }
        match self.offset.load(Ordering::Relaxed) {
            UNKNOWN => None,
            offset => Some(host.wrapping_sub(offset)).filter(|at| *at >= self.args.ram),
        }
    }

    /// The program whose code page holds the instruction at host address `host`.
    fn program(&self, host: *const c_void, seen: &mut Seen) -> Option<usize> {
        if self.pages.is_empty() || host.is_null() {
            return None;
        }
        let start = host.cast::<u8>().map_addr(|address| address & !(PAGE - 1));
        match *seen {
            Some((page, owner)) if page == start => owner,
            _ => {
                // SAFETY: QEMU maps guest memory in whole pages, and this one holds code that is
                // being translated. Volatile, since the guest may write it at any time; any bytes
                // are a valid page.
                let page = unsafe { start.cast::<Page>().read_volatile() };
                let owner = self.pages.owner(&page);
                *seen = Some((start, owner));
                owner
            }
        }
    }

    fn watch(&self, instruction: *mut Instruction, seen: &mut Seen) {
        let mut bytes = [0u8; 4];
        // SAFETY: QEMU passes a live instruction, and the buffer is four bytes long.
        let (virt, host) = unsafe {
            ffi::qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len());
            (
                ffi::qemu_plugin_insn_vaddr(instruction),
                ffi::qemu_plugin_insn_haddr(instruction),
            )
        };
        let word = u32::from_le_bytes(bytes);
        if let Some(mark) = mark::decode(word) {
            let data = std::ptr::without_provenance_mut(mark as usize);
            // SAFETY: The callback takes `data` as a number and never as a pointer.
            unsafe {
                let flags = ffi::NO_REGISTERS;
                ffi::qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_mark, flags, data);
            }
        }
        let physical = self.physical(virt, host.addr() as u64);
        let range = self.layout.range_of(physical);
        let range = range.or_else(|| self.program(host, seen));
        let range = range.unwrap_or(self.layout.other());
        let call = mark::is_system_call(word)
            .then(|| self.layout.calls_of(range))
            .flatten();
        let counters = std::iter::once(range).chain(call);
        for index in counters.chain(self.layout.probes_at(physical)) {
            let counter = self.counter(index);
            // SAFETY: The counter lies within the scoreboard, which lives as long as QEMU.
            unsafe {
                ffi::qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
                    instruction,
                    ffi::ADD,
                    counter,
                    1,
                );
            }
        }
    }
}

extern "C" fn on_translate(_: PluginId, block: *mut Block) {
    let Some(state) = STATE.get() else { return };
    let mut seen = None;
    // SAFETY: QEMU passes a live block; indices stay below its length.
    unsafe {
        for index in 0..ffi::qemu_plugin_tb_n_insns(block) {
            state.watch(ffi::qemu_plugin_tb_get_insn(block, index), &mut seen);
        }
    }
}

extern "C" fn on_mark(_: c_uint, data: *mut c_void) {
    let Some(state) = STATE.get() else { return };
    let mark = u32::try_from(data.addr()).unwrap_or(u32::MAX);
    state.note(Some(mark));
    if state.args.stop == Some(mark) {
        // SAFETY: Ends the process; all that is to be kept has been written.
        unsafe { ffi::_exit(0) }
    }
}

extern "C" fn on_exit(_: PluginId, _: *mut c_void) {
    if let Some(state) = STATE.get() {
        state.note(None);
    }
}

/// QEMU's entry point into the plugin; returns nonzero to refuse its arguments.
///
/// # Safety
/// `argv` must point to `argc` strings, as QEMU's plugin interface promises.
#[unsafe(no_mangle)]
unsafe extern "C" fn qemu_plugin_install(
    id: PluginId,
    _: *const Info,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let words: Vec<String> = (0..count)
        .map(|index| {
            // SAFETY: The caller promises `argc` C strings.
            let word = unsafe { CStr::from_ptr(*argv.add(index)) };
            word.to_string_lossy().into_owned()
        })
        .collect();
    match install(id, words.iter().map(String::as_str)) {
        Ok(()) => 0,
        Err(reason) => {
            let text = CString::new(reason + "\n").unwrap_or_default();
            // SAFETY: QEMU copies the string.
            unsafe { ffi::qemu_plugin_outs(text.as_ptr()) };
            eprintln!("{}", text.to_string_lossy().trim_end());
            -1
        }
    }
}

fn install<'a>(id: PluginId, words: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let args = Args::parse(words)?;
    let out = File::create(&args.out).map_err(|error| format!("icount: {}: {error}", args.out))?;
    let layout = Layout::new(&args);
    let mut pages = Pages::default();
    for (index, program) in layout.programs() {
        let file = &program.file;
        let bytes = std::fs::read(file).map_err(|error| format!("icount: {file}: {error}"))?;
        pages.add(index, &bytes);
    }
    // SAFETY: Any size is allowed; QEMU aborts when memory runs out.
    let scoreboard = unsafe { ffi::qemu_plugin_scoreboard_new(layout.len() * size_of::<u64>()) };
    let state = State {
        args,
        layout,
        pages,
        scoreboard,
        offset: AtomicU64::new(UNKNOWN),
        out: Mutex::new(out),
    };
    if STATE.set(state).is_err() {
        return Err("icount: loaded twice".into());
    }
    // SAFETY: The callbacks live as long as the process: the plugin is never unloaded.
    unsafe {
        ffi::qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
        ffi::qemu_plugin_register_atexit_cb(id, on_exit, std::ptr::null_mut());
    }
    Ok(())
}
