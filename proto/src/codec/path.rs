//! Where in a body we are, in AWS's names: `messages[0].content[2].toolUse.input`.

use std::fmt::{self, Display, Write};

/// The steps from the body's root to a member.
#[derive(Debug, Default)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug)]
enum Step {
    Member(&'static str),
    Name(String),
    Index(usize),
}

impl Path {
    pub(super) fn member(&mut self, name: &'static str) {
        self.0.push(Step::Member(name));
    }

    pub(super) fn name(&mut self, name: &str) {
        self.0.push(Step::Name(name.to_owned()));
    }

    pub(super) fn index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Name(name) if at == 0 => f.write_str(name)?,
                Step::Name(name) => {
                    f.write_char('.')?;
                    f.write_str(name)?;
                }
            }
        }
        Ok(())
    }
}
