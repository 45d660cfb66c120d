//! AWS's words about a refused request, without the values of the request that they quote.
//!
//! Names stay where they say what to mend: members, paths, tools, ids. So do limits and what would be accepted.
//! A quoted word stays only where AWS is known to put such a name; anything else may be a value.

/// Stands for a value.
const VALUE: &str = "…";

/// The longest name that is shown, in bytes.
const LONGEST_NAME: usize = 64;

/// What stands before a quoted word of AWS's own.
const BEFORE_OWN: [&str; 1] = ["pattern "];

/// What stands before a quoted name.
const BEFORE_NAME: [&str; 10] =
    [" at ", "key ", "using ", "field ", "member ", "parameter ", "Tool ", "tool ", "tags: ", "one of "];

/// What stands before a quoted value in marks that are else for names.
const BEFORE_VALUE: [&str; 6] = ["Value ", "value ", "string ", "tag ", "=", "found: "];

/// What stands between the names of a list.
const BETWEEN_NAMES: [&str; 4] = [", ", " or ", " and ", ", or "];

/// AWS also puts lists of its own between brackets; behind these it is something of the request's.
const BEFORE_BRACKET: [&str; 3] = ["string ", "key ", "value "];

/// The words, with `…` for each value.
pub(super) fn without_values(words: &str) -> String {
    unquoted(without_quoted(&without_objects(&without_inputs(words))))
}

/// Pydantic shows what it was given: `[type=list_type, input_value={'text': 'a'}, input_type=dict]`.
fn without_inputs(words: &str) -> String {
    let mut parts = words.split("input_value=");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.rfind(", input_type=").and_then(|end| part.get(end..)).unwrap_or_default();
        told.extend(["input_value=", VALUE, after]);
    }
    told
}

/// From the first object to the end of the last.
fn without_objects(words: &str) -> String {
    let Some(begin) = ["{'", "{\""].iter().filter_map(|open| words.find(open)).min() else {
        return words.to_owned();
    };
    let (before, object) = words.split_at_checked(begin).unwrap_or((words, ""));
    let after = object.rsplit_once('}').map_or("", |(_, after)| after);
    format!("{before}{{{VALUE}}}{after}")
}

fn without_quoted(words: &str) -> String {
    let mut told = String::with_capacity(words.len());
    let mut rest = words;
    // Where the name ended that is behind us.
    let mut named = None;
    while let Some((before, open, quoted)) = next_open(rest) {
        told.push_str(before);
        if !opens(&told, open) {
            told.push(open);
            rest = quoted;
            continue;
        }
        let (inside, after) = split_at_close(quoted, open, told.ends_with("Value "));
        let goes_on = named.and_then(|end| told.get(end..)).is_some_and(|gap| BETWEEN_NAMES.contains(&gap));
        let stays = may_stay(&told, open, inside, goes_on);
        told.push(open);
        told.push_str(if stays { inside } else { VALUE });
        let mut after = after.chars();
        told.extend(after.next());
        rest = after.as_str();
        named = stays.then_some(told.len());
    }
    told.push_str(rest);
    told
}

/// Whether the mark behind these words opens a quotation. The apostrophe in "isn't" does not, that of `b'…'` does.
fn opens(told: &str, open: char) -> bool {
    if open == '[' {
        return BEFORE_BRACKET.iter().any(|word| told.ends_with(word));
    }
    let mut before = told.chars().rev();
    match before.next() {
        Some('b' | 'u' | 'r' | 'f') => !before.next().is_some_and(char::is_alphanumeric),
        last => !last.is_some_and(char::is_alphanumeric),
    }
}

/// The text before the next quotation mark or bracket, the mark, and the text behind it.
fn next_open(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['\'', '"', '`', '‘', '“', '['])?;
    let (before, from) = text.split_at(at);
    let mut chars = from.chars();
    let open = chars.next()?;
    Some((before, open, chars.as_str()))
}

/// What is quoted, and the rest with the closing mark; all of it where nothing closes.
fn split_at_close(text: &str, open: char, is_value: bool) -> (&str, &str) {
    let close = match open {
        '[' => ']',
        '‘' => '’',
        '“' => '”',
        same => same,
    };
    // A value can hold quotation marks itself; AWS puts its path behind it.
    let before_path = text.find("' at '").filter(|_| is_value && open == '\'');
    let closes = |(at, _): &(usize, &str)| {
        let (before, after) = text.split_at_checked(*at).unwrap_or_default();
        let escapes = before.len() - before.trim_end_matches('\\').len();
        let after = after.strip_prefix(close).unwrap_or_default();
        escapes.is_multiple_of(2) && !after.starts_with(char::is_alphanumeric)
    };
    let end = before_path.or_else(|| text.match_indices(close).find(closes).map(|(at, _)| at));
    text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""))
}

fn may_stay(before: &str, open: char, quoted: &str, goes_on: bool) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/#$[]".contains(&byte);
    let is_name = quoted.len() <= LONGEST_NAME && quoted.bytes().all(fit);
    let behind = |words: &[&str]| words.iter().any(|word| before.ends_with(word));
    let named = match open {
        '`' => !behind(&BEFORE_VALUE),
        _ => goes_on || behind(&BEFORE_NAME),
    };
    behind(&BEFORE_OWN) || is_name && named
}

/// JSON schema's own form has no marks: `#/type: VALUE is not a valid enum value`. Where there are several, a value
/// could look like the next, so all of it goes up to the last.
fn unquoted(told: String) -> String {
    let value = || {
        let end = told.rfind(" is not a valid ")?;
        let pointer = told.get(..end)?.find('#')?;
        let start = pointer + told.get(pointer..end)?.find(": ")? + 2;
        Some((told.get(..start)?, told.get(end..)?))
    };
    match value() {
        Some((before, after)) => format!("{before}{VALUE}{after}"),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that Bedrock sends, none of which quotes a value.
    #[test]
    fn what_quotes_nothing_stays_as_it_is() {
        for words in [
            "Invocation of model ID anthropic.claude-sonnet-4-5-20250929-v1:0 with on-demand throughput isn’t supported. \
             Retry your request with the ID or ARN of an inference profile that contains this model.",
            "The provided model identifier is invalid",
            "The provided model doesn't support counting tokens.",
            "Malformed input request: #: required key [messages] not found, please reformat your input and try again.",
            "The model returned the following errors: `temperature` and `top_p` cannot both be specified for this \
             model. Please use only one.",
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
            "Input is too long for requested model.",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
            "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member must not be null",
            "Expected toolResult blocks at messages.2.content for the following Ids: tooluse_1, tooluse_2",
            "The model returned the following errors: Tool 'get_weather' not found in provided tools",
            "tools.0.name: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ] {
            assert_eq!(without_values(words), words);
        }
    }

    #[test]
    fn quoted_values_go_and_paths_and_limits_stay() {
        for (words, told) in [
            (
                "1 validation error detected: Value 'narrator' at 'messages.1.member.role' failed to satisfy constraint: \
                 Member must satisfy enum value set: [user, assistant]",
                "1 validation error detected: Value '…' at 'messages.1.member.role' failed to satisfy constraint: \
                 Member must satisfy enum value set: [user, assistant]",
            ),
            (
                "Value 'it's \"his\" 'own' word' at 'stopSequences' failed to satisfy constraint: Member must have length \
                 less than or equal to 256; Value '9.5' at 'topP' failed to satisfy constraint: 1",
                "Value '…' at 'stopSequences' failed to satisfy constraint: Member must have length \
                 less than or equal to 256; Value '…' at 'topP' failed to satisfy constraint: 1",
            ),
            (
                "Value 'a b' at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9_-]+",
                "Value '…' at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9_-]+",
            ),
            (
                "Malformed input request: #: extraneous key [my own words] is not permitted",
                "Malformed input request: #: extraneous key […] is not permitted",
            ),
            (
                "#/model: string [secret] does not match pattern ^a$",
                "#/model: string […] does not match pattern ^a$",
            ),
            (
                "Malformed input request: #/type: so: secret is not a valid enum value, please reformat your input",
                "Malformed input request: #/type: … is not a valid enum value, please reformat your input",
            ),
            (
                "Input tag 'a word of his' found using 'type' does not match any of the expected tags: 'text', 'image'",
                "Input tag '…' found using 'type' does not match any of the expected tags: 'text', 'image'",
            ),
            (
                "messages.0: Input should be a valid list [type=list_type, input_value='secret', input_type=str]",
                "messages.0: Input should be a valid list [type=list_type, input_value=…, input_type=str]",
            ),
        ] {
            assert_eq!(without_values(words), told);
        }
    }

    #[test]
    fn a_word_alone_is_no_name_unless_aws_puts_one_there() {
        for (words, told) in [
            (
                "messages.0: bad [type=a, input_value={'text': 'Passw0rd'}, input_type=dict], messages.1: bad [type=a, \
                 input_value=Passw0rd, input_type=str]",
                "messages.0: bad [type=a, input_value=…, input_type=dict], messages.1: bad [type=a, \
                 input_value=…, input_type=str]",
            ),
            ("unexpected {'text': 'Passw0rd', 'more': {\"a\": 1}} there", "unexpected {…} there"),
            ("unexpected 'Passw0rd' and b'Passw0rd' there", "unexpected '…' and b'…' there"),
            ("Input tag 'Passw0rd' found using 'type'", "Input tag '…' found using 'type'"),
            (r#"unexpected "my \"Passw0rd\" is" there"#, "unexpected \"…\" there"),
            (
                "#/type: Passw0rd is not a valid enum value, #/other: Passw0rd is not a valid enum value",
                "#/type: … is not a valid enum value",
            ),
            (
                "Malformed input request: #: extraneous key [top_k] is not permitted",
                "Malformed input request: #: extraneous key [top_k] is not permitted",
            ),
            ("unexpected text \"never closed", "unexpected text \"…"),
            ("unexpected ‘words of mine’ and “words of mine”", "unexpected ‘…’ and “…”"),
        ] {
            assert_eq!(without_values(words), told);
        }
    }
}
