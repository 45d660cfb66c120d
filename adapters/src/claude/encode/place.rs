//! A place in the request, spelled out only where something is refused.

use std::fmt;

use super::blocks::{Block, Kind};
use crate::contract::Refusals;

/// The way from the request's root to a member, in AWS's names: `messages[0].content[2].toolUse.input`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Member(&'static str),
    Index(usize),
}

impl<'p> Place<'p> {
    pub(super) const fn root(name: &'static str) -> Self {
        Self { parent: None, step: Step::Member(name) }
    }

    pub(super) const fn member(&'p self, name: &'static str) -> Self {
        Self { parent: Some(self), step: Step::Member(name) }
    }

    pub(super) const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// Notes that this cannot be said, and gives what stands for it in a body that will not be sent.
    pub(super) fn refuse<'r, T: From<Kind<'r>>>(&self, description: &str, refusals: &mut Refusals) -> T {
        refusals.refuse(self.to_string(), description);
        Kind::text("").into()
    }

    /// Notes a union without a member.
    pub(super) fn refuse_empty<'r>(&self, refusals: &mut Refusals) -> Block<'r> {
        self.refuse("has no member set, where exactly one is needed", refusals)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Member(name) if self.parent.is_none() => f.write_str(name),
            Step::Member(name) => write!(f, ".{name}"),
        }
    }
}
