// SPDX-License-Identifier: BSD-2-Clause
//! The part of QEMU's plugin interface (version 4, QEMU 9.0 and later) that is used here.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::marker::{PhantomData, PhantomPinned};

/// The identity that QEMU gave this plugin.
pub(crate) type PluginId = u64;

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub(crate) struct $name {
            _bytes: [u8; 0],
            _not_ours: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque!(
    /// A block of instructions about to be translated.
    Block,
    /// An instruction of a block.
    Instruction,
    /// Memory for counters, one copy per CPU.
    Scoreboard,
    /// What QEMU says about itself at installation.
    Info
);

/// One counter of a scoreboard.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Counter {
    pub(crate) scoreboard: *mut Scoreboard,
    pub(crate) offset: usize,
}

/// Inline operation: add a constant.
pub(crate) const ADD: c_int = 0;
/// The callback reads and writes no CPU registers.
pub(crate) const NO_REGISTERS: c_int = 0;

#[expect(
    unsafe_code,
    reason = "UNSAFETY: the plugin interface is a C interface"
)]
unsafe extern "C" {
    pub(crate) fn qemu_plugin_register_vcpu_tb_trans_cb(
        id: PluginId,
        callback: extern "C" fn(PluginId, *mut Block),
    );
    pub(crate) fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub(crate) fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub(crate) fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub(crate) fn qemu_plugin_insn_haddr(instruction: *const Instruction) -> *mut c_void;
    pub(crate) fn qemu_plugin_insn_data(
        instruction: *const Instruction,
        destination: *mut c_void,
        len: usize,
    ) -> usize;
    pub(crate) fn qemu_plugin_scoreboard_new(element_size: usize) -> *mut Scoreboard;
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        instruction: *mut Instruction,
        operation: c_int,
        counter: Counter,
        value: u64,
    );
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_u64_sum(counter: Counter) -> u64;
    pub(crate) fn qemu_plugin_register_atexit_cb(
        id: PluginId,
        callback: extern "C" fn(PluginId, *mut c_void),
        data: *mut c_void,
    );
    pub(crate) fn qemu_plugin_outs(text: *const c_char);
    /// From the C library: ends the process without running QEMU's exit handlers, which would
    /// wait for the very CPU thread that calls this.
    pub(crate) fn _exit(status: c_int) -> !;
}
