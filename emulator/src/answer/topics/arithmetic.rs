//! Finds one arithmetic expression in a text and works it out.

/// The sentence with the result, if the text has an expression with an operator.
pub(super) fn sentence(text: &str) -> Option<String> {
    let expression = expression_in(text)?;
    let mut parser = Parser { rest: &expression };
    let result = parser.sum()?;
    if !parser.rest.is_empty() {
        return None;
    }
    if !result.is_finite() {
        return Some(format!("{} has no value: nothing can be divided by zero.", spaced(&expression)));
    }
    Some(format!("{} = {}.", spaced(&expression), rounded(result)))
}

/// The longest run of digits, operators and parentheses, without spaces and with `*` and `/` for the signs.
fn expression_in(text: &str) -> Option<String> {
    let mut best = String::new();
    let mut run = String::new();
    for letter in text.chars().chain(std::iter::once('\n')) {
        match letter {
            '0'..='9' | '.' | '+' | '-' | '*' | '/' | '(' | ')' => run.push(letter),
            '\u{d7}' => run.push('*'),
            '\u{f7}' => run.push('/'),
            ' ' => {}
            _ => {
                if run.len() > best.len() {
                    best.clone_from(&run);
                }
                run.clear();
            }
        }
    }
    let best = best.trim_matches(['.', '+', '*', '/']).trim_end_matches('-').to_owned();
    let operator = best.char_indices().any(|(at, c)| at > 0 && "+-*/".contains(c));
    // A date such as 2026-11-22 or a telephone number is no sum.
    let date_like = best.len() >= 8 && best.matches('-').count() >= 2 && !best.contains(['+', '*', '/']);
    (operator && !date_like && best.len() <= 64).then_some(best)
}

fn spaced(expression: &str) -> String {
    let mut text = String::new();
    for (at, letter) in expression.char_indices() {
        if at > 0 && "+-*/".contains(letter) && !text.ends_with(' ') && !text.ends_with('(') {
            text.push_str(&format!(" {letter} "));
        } else {
            text.push(letter);
        }
    }
    text
}

fn rounded(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Sum of products of factors, read from left to right.
struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        loop {
            if self.take('+') {
                value += self.product()?;
            } else if self.take('-') {
                value -= self.product()?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.factor()?;
        loop {
            if self.take('*') {
                value *= self.factor()?;
            } else if self.take('/') {
                value /= self.factor()?;
            } else {
                return Some(value);
            }
        }
    }

    fn factor(&mut self) -> Option<f64> {
        if self.take('-') {
            return Some(-self.factor()?);
        }
        if self.take('(') {
            let value = self.sum()?;
            return self.take(')').then_some(value);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        number.parse().ok()
    }

    fn take(&mut self, letter: char) -> bool {
        self.rest.strip_prefix(letter).map(|rest| self.rest = rest).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_found_and_worked_out() {
        for (text, answer) in [
            ("What is 12*7?", Some("12 * 7 = 84.")),
            ("what is 12 \u{d7} 7", Some("12 * 7 = 84.")),
            ("2 + 3 * (4 - 1) please", Some("2 + 3 * (4 - 1) = 11.")),
            ("10 / 4", Some("10 / 4 = 2.5.")),
            ("1/0", Some("1 / 0 has no value: nothing can be divided by zero.")),
            ("on 2026-11-22", None),
            ("no numbers", None),
            ("the year 2026.", None),
            ("well-known", None),
        ] {
            assert_eq!(sentence(text).as_deref(), answer, "{text}");
        }
    }
}
