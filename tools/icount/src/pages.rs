// SPDX-License-Identifier: BSD-2-Clause
//! Recognising programs by the content of their pages.
//!
//! A kernel may place a program anywhere, and seL4's system initialiser decides only at run time.
//! Code pages are never written, so their content says whose they are.

use std::collections::HashMap;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// The content of one page.
pub(crate) type Page = [u8; PAGE];

/// Pages and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    owners: HashMap<Page, usize>,
}

impl Pages {
    /// Adds the pages in `bytes` for `owner`. Pages that another owner has too are of no use and
    /// stay with the first; a last part that is no whole page is filled with zeros.
    pub(crate) fn add(&mut self, owner: usize, bytes: &[u8]) {
        for chunk in bytes.chunks(PAGE) {
            let mut page = [0; PAGE];
            page[..chunk.len()].copy_from_slice(chunk);
            if page != [0; PAGE] {
                self.owners.entry(page).or_insert(owner);
            }
        }
    }

    /// Whose page this is, if it is known.
    pub(crate) fn owner(&self, page: &Page) -> Option<usize> {
        self.owners.get(page).copied()
    }

    /// Whether no page is known, so that looking is pointless.
    pub(crate) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_by_content() {
        let mut pages = Pages::default();
        assert!(pages.is_empty());
        let mut program = vec![1; PAGE];
        program.extend([0; PAGE]);
        program.extend([2; 10]);
        pages.add(3, &program);
        pages.add(4, &[1; PAGE]);
        assert_eq!(pages.owner(&[1; PAGE]), Some(3));
        assert_eq!(pages.owner(&[0; PAGE]), None);
        assert_eq!(pages.owner(&[2; PAGE]), None);
        let mut last = [0; PAGE];
        last[..10].fill(2);
        assert_eq!(pages.owner(&last), Some(3));
    }
}
