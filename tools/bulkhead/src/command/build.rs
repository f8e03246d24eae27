// SPDX-License-Identifier: BSD-2-Clause
//! `build`: from a system description to a bootable image.

mod programs;
mod rustc;

use std::path::{Path, PathBuf};

use host::output::{self, Stage};
use host::provision::{self, Need};
use host::{Failure, Outcome};
use pack::{PackError, Prepared, dev, names, sel4};
use sdf::{Board, SearchPath, System};

use crate::cli::{BuildArgs, Config, Format};
use crate::context::Context;
use crate::devices::Devices;
use crate::guests::{self, Given};
use crate::kernel::{self, Kernel};
use crate::system::{self, SystemFile};

pub(crate) use programs::LIBCLANG;
use programs::{Compiler, Programs};
pub(crate) use rustc::run as called_by_cargo;

/// A finished image.
pub(crate) struct Built {
    /// The board it is for.
    pub(crate) board: Board,
    /// The kernel it is for.
    pub(crate) kernel: Kernel,
    /// The file.
    pub(crate) image: PathBuf,
    /// The kernel's ELF file.
    pub(crate) kernel_file: PathBuf,
    /// The protection domains' ELF files, each once, as they were before packing.
    pub(crate) programs: Vec<PathBuf>,
    /// What QEMU must plug in.
    pub(crate) devices: Devices,
}

/// Builds, and says where the image is.
pub(crate) fn run(context: &Context, args: &BuildArgs) -> Outcome<()> {
    let built = build(context, args)?;
    match context.format {
        Format::Json => out!(
            "{}",
            serde_json::json!({
                "version": 1, "image": built.image, "kernel": built.kernel.name(),
                "board": built.board.name, "config": args.config.name(),
            })
        ),
        Format::Human => out!("{}", context.show(&built.image)),
    }
    Ok(())
}

/// Builds an image.
pub(crate) fn build(context: &Context, args: &BuildArgs) -> Outcome<Built> {
    build_with(context, args, &Given::new())
}

/// Builds an image whose guests boot `given` images where it names them.
pub(crate) fn build_with(context: &Context, args: &BuildArgs, given: &Given) -> Outcome<Built> {
    let (kernel, why) = kernel::choose(args.kernel, context.sdk()?)?;
    context.ui.say(&kernel::announce(&kernel, &why));
    let file = SystemFile::open(context, &args.system)?;
    let system = file.check_without_files(context)?;
    require_board(&kernel, &file.board)?;
    let folder = args.output.clone().unwrap_or_else(|| {
        context
            .output()
            .join(format!("{}-{}", kernel.name(), args.config.name()))
    });
    let _claim = output::claim(&folder, || context.ui.say("waiting for another build"))?;
    let build = Build {
        context,
        kernel: &kernel,
        config: args.config,
        file: &file,
        given,
    };
    let own = file.search_path(&args.system.search_path, &[]);
    let programs = build.programs(&system, &own)?;
    let search = file.search_path(&args.system.search_path, &programs.folders());
    build.pack(&search, &programs, &folder)?;
    Ok(Built {
        image: folder.join(names::IMAGE),
        kernel_file: build.kernel_file(&programs)?,
        programs: files(&system, &search),
        devices: Devices::of(&file.board, &system),
        board: file.board.clone(),
        kernel: kernel.clone(),
    })
}

/// The program images of `system`, each once.
fn files(system: &System, search: &SearchPath) -> Vec<PathBuf> {
    let images = system.pds.iter().map(|pd| &pd.image.path.value);
    let mut files: Vec<PathBuf> = images.filter_map(|image| search.find(image)).collect();
    files.sort();
    files.dedup();
    files
}

fn require_board(kernel: &Kernel, board: &Board) -> Outcome<()> {
    if *kernel == Kernel::Dev && board.qemu.is_none() {
        return Err(Failure::environment(format!(
            "the development kernel does not run on {}",
            board.name
        ))
        .help("choose --kernel sel4, or the board qemu_virt_aarch64"));
    }
    Ok(())
}

/// What the parts of a build share.
struct Build<'a> {
    context: &'a Context,
    kernel: &'a Kernel,
    config: Config,
    file: &'a SystemFile,
    given: &'a Given,
}

impl Build<'_> {
    /// Compiles the programs of `system` that are ours and that the user does not give.
    fn programs(&self, system: &System, given: &SearchPath) -> Outcome<Programs> {
        let mut needs = vec![Need::RustTarget];
        if matches!(self.kernel, Kernel::Sel4(_)) {
            needs.push(LIBCLANG);
        }
        let wanted = programs::wanted(self.context, self.kernel, system, given)?;
        if !wanted.is_empty() || *self.kernel == Kernel::Dev {
            provision::ensure(&self.context.ui, &needs, self.context.may_install)?;
        }
        let compiler = Compiler {
            context: self.context,
            kernel: self.kernel,
            board: &self.file.board,
            config: self.config,
        };
        programs::compile(&compiler, &wanted)
    }

    /// Checks again with all files at hand, then packs.
    fn pack(&self, search: &SearchPath, programs: &Programs, folder: &Path) -> Outcome<()> {
        let system = self.file.check_files(self.context, search)?;
        let images = guests::folder(self.context, &self.file.path);
        let expanded = guests::expand(self.context, self.given, system, search, &images)
            .map_err(|error| self.explain(error))?;
        let mut search = search.clone();
        search.dirs.extend(expanded.folder);
        let stage = Stage::new(folder)?;
        let names = Prepared::new(&expanded.system, &search, None)
            .and_then(|prepared| self.pack_for_kernel(&prepared, programs, stage.path()))
            .map_err(|error| self.explain(error))?;
        stage.publish(&names)
    }

    fn pack_for_kernel(
        &self,
        prepared: &Prepared<'_>,
        programs: &Programs,
        stage: &Path,
    ) -> Result<Vec<PathBuf>, PackError> {
        let ui = &self.context.ui;
        match self.kernel {
            Kernel::Sel4(sdk) => {
                let (board, config) = (self.file.board.name.as_str(), self.config.name());
                sel4::build(ui, &sel4::Target { sdk, board, config }, prepared, stage)
            }
            Kernel::Dev => {
                let kernel = programs.kernel()?;
                let target = dev::Target {
                    kernel: &kernel,
                    board: &self.file.board,
                    config: self.capdl(),
                };
                Ok(dev::write(&target, prepared, stage)?)
            }
        }
    }

    fn kernel_file(&self, programs: &Programs) -> Outcome<PathBuf> {
        match self.kernel {
            Kernel::Sel4(sdk) => {
                let folder = sdk.board(&self.file.board.name, self.config.name())?;
                Ok(folder.join("elf/sel4.elf"))
            }
            Kernel::Dev => programs.kernel_file().map(Path::to_path_buf),
        }
    }

    fn capdl(&self) -> capdl::Config {
        match self.config {
            Config::Debug => capdl::Config::Debug,
            Config::Release => capdl::Config::Release,
            Config::Benchmark => capdl::Config::Benchmark,
        }
    }

    fn explain(&self, error: PackError) -> Failure {
        match error {
            PackError::Failed(failure) => failure,
            PackError::Refused(diagnostics) => {
                system::show(self.context, &diagnostics);
                system::refused(&self.file.name, &diagnostics)
            }
        }
    }
}
