// SPDX-License-Identifier: BSD-2-Clause
//! Which kernel an image is for, and why.

use host::sdk::{SDK_VERSION, Sdk};
use host::{Failure, Outcome};

use crate::cli::KernelChoice;

/// The kernel of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// seL4 through this SDK.
    Sel4(Sdk),
    /// The development kernel.
    Dev,
}

impl Kernel {
    /// The name in options, folders and scripts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sel4(_) => "sel4",
            Self::Dev => "dev",
        }
    }
}

/// Decides, with the reason for the user.
pub(crate) fn choose(choice: KernelChoice, sdk: Option<Sdk>) -> Outcome<(Kernel, String)> {
    match (choice, sdk) {
        (KernelChoice::Auto | KernelChoice::Sel4, Some(sdk)) => {
            let why = format!("Microkit SDK {} by {}", sdk.version(), sdk.found_by);
            Ok((Kernel::Sel4(sdk), why))
        }
        (KernelChoice::Auto, None) => Ok((Kernel::Dev, "no Microkit SDK was found".to_owned())),
        (KernelChoice::Dev, _) => Ok((Kernel::Dev, "--kernel dev".to_owned())),
        (KernelChoice::Sel4, None) => Err(Failure::environment("no Microkit SDK was found")
            .help(format!(
                "set MICROKIT_SDK to an SDK {SDK_VERSION}, or unpack it in your home"
            ))
            .help("or choose the development kernel with --kernel dev")),
    }
}

/// The line that says which kernel was chosen.
pub(crate) fn announce(kernel: &Kernel, why: &str) -> String {
    match kernel {
        Kernel::Sel4(_) => format!("kernel: seL4 ({why})"),
        Kernel::Dev => {
            format!("kernel: development kernel, unverified, for development only ({why})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn sdk() -> Option<Sdk> {
        Some(Sdk {
            root: PathBuf::from("/sdk"),
            found_by: "MICROKIT_SDK".to_owned(),
        })
    }

    #[test]
    fn auto_takes_sel4_where_there_is_an_sdk() {
        let (kernel, why) = choose(KernelChoice::Auto, sdk()).unwrap();
        assert_eq!(kernel.name(), "sel4");
        assert!(announce(&kernel, &why).contains("by MICROKIT_SDK"));
        let (kernel, why) = choose(KernelChoice::Auto, None).unwrap();
        assert_eq!(kernel, Kernel::Dev);
        assert!(announce(&kernel, &why).contains("unverified"));
    }

    #[test]
    fn an_explicit_choice_is_kept_or_refused() {
        assert_eq!(choose(KernelChoice::Dev, sdk()).unwrap().0, Kernel::Dev);
        let failure = choose(KernelChoice::Sel4, None).unwrap_err();
        assert!(failure.to_string().contains("--kernel dev"), "{failure}");
    }
}
