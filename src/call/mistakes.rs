//! Every mistake of a request at once, in the order of the request.

use bedrock_inference_adapters::contract::AdapterError;
use bedrock_inference_proto::codec::Violation;

use crate::error::Error;

/// The members of a conversation as AWS's model lists them; others follow by name.
const MEMBERS: [&str; 13] = [
    "modelId",
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];

/// The refusal of a request for these mistakes, each once: `INVALID_REQUEST`.
#[must_use]
pub fn refusal(mut mistakes: Vec<Violation>) -> Error {
    mistakes.sort_by_cached_key(|mistake| (place(&mistake.path), mistake.description.clone()));
    mistakes.dedup();
    AdapterError::from(mistakes).into()
}

/// One step of a path, comparable: entries by number, members by the model's order, else by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Member(usize, String),
}

fn place(path: &str) -> Vec<Step> {
    let path = path.strip_prefix("input.converse.").unwrap_or(path);
    let steps = path.split(['.', '[']).enumerate().map(|(at, step)| {
        let number = step.strip_suffix(']').and_then(|number| number.parse().ok());
        let rank = MEMBERS.iter().position(|member| at == 0 && *member == step).unwrap_or(MEMBERS.len());
        number.map_or_else(|| Step::Member(rank, step.to_owned()), Step::Index)
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_come_once_and_in_the_order_of_the_request() {
        let paths = [
            "zeal",
            "modelId",
            "messages",
            "messages[2].role",
            "messages[10].content",
            "messages[10].content[9].text",
            "messages[10].content[11]",
            "system[0].text",
            "toolConfig",
            "body",
        ];
        let mistake = |path: &&str| Violation { path: (*path).to_owned(), description: "is bad".to_owned() };
        let twice = paths.iter().rev().chain(&paths).map(mistake).collect();
        let refusal = refusal(twice);
        let found: Vec<_> = refusal.violations.iter().map(|mistake| mistake.path.as_str()).collect();
        let expected: Vec<_> = paths.iter().skip(1).copied().chain(["zeal"]).collect();
        assert_eq!(found, expected);
    }
}
