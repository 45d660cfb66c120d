//! Where in a body we are, in AWS's names: `messages[0].content[2].toolUse.input`.

use std::fmt::{self, Display, Write};

/// So many characters of a key are shown: it is as long as its author likes.
const LONGEST_KEY: usize = 64;

/// The steps from the body's root to a member.
#[derive(Default)]
pub(super) struct Path(Vec<Step>);

enum Step {
    Member(&'static str),
    Name(String),
    Key(String),
    Index(usize),
}

impl Path {
    pub(super) fn member(&mut self, name: &'static str) {
        self.0.push(Step::Member(name));
    }

    pub(super) fn name(&mut self, name: &str) {
        self.0.push(Step::Name(name.to_owned()));
    }

    /// A key of a map, which is not AWS's word but somebody's own: its beginning.
    pub(super) fn key(&mut self, key: &str) {
        let beginning = key.char_indices().nth(LONGEST_KEY).and_then(|(end, _)| key.get(..end));
        self.0.push(Step::Key(beginning.map_or_else(|| key.to_owned(), |beginning| format!("{beginning}…"))));
    }

    pub(super) fn index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    /// The same in AWS's words alone: `*` stands for keys.
    pub(super) fn without_keys(mut self) -> String {
        for step in &mut self.0 {
            if let Step::Key(key) = step {
                "*".clone_into(key);
            }
        }
        self.to_string()
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Name(name) | Step::Key(name) if at == 0 => f.write_str(name)?,
                Step::Name(name) | Step::Key(name) => {
                    f.write_char('.')?;
                    f.write_str(name)?;
                }
            }
        }
        Ok(())
    }
}
