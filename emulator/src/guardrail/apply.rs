//! The guardrail without a model: what ApplyGuardrail answers.

use serde_json::{Value, json};

use super::assessment::{Assessment, Side, masked};
use super::{BLOCKED_INPUT, BLOCKED_OUTPUT, Guardrail, TextUnits, reason};
use crate::errors::Outcome;
use crate::prompt::GuardrailRequest;

/// One part of the content to assess.
#[derive(Debug)]
pub(crate) enum Content {
    /// A text, and whether the policies look at it at all.
    Text { text: String, guarded: bool },
    /// An image; the built-in guardrail has no policy on images.
    Image,
}

/// The response of ApplyGuardrail, and what it looked at.
pub(crate) fn apply(
    request: &GuardrailRequest,
    region: &str,
    side: Side,
    content: &[Content],
) -> Outcome<(Value, TextUnits)> {
    let guardrail = Guardrail::find(request, region)?;
    let texts = || {
        content.iter().filter_map(|part| match part {
            Content::Text { text, guarded } => Some((text.as_str(), *guarded)),
            Content::Image => None,
        })
    };
    let guarded: Vec<&str> = texts().filter(|(_, guarded)| *guarded).map(|(text, _)| text).collect();
    let mut found = Assessment::of(&guarded.join("\n"), side);
    found.characters = guarded.iter().map(|text| text.chars().count()).sum();
    let (blocks, masks) = (found.blocks(), !found.emails.is_empty());
    let outputs: Vec<Value> = match (blocks, masks) {
        (true, _) if side == Side::Input => vec![json!({"text": BLOCKED_INPUT})],
        (true, _) => vec![json!({"text": BLOCKED_OUTPUT})],
        (false, true) => guarded.iter().map(|text| json!({"text": masked(text, &found)})).collect(),
        (false, false) => Vec::new(),
    };
    let total: usize = texts().map(|(text, _)| text.chars().count()).sum();
    let images = content.iter().filter(|part| matches!(part, Content::Image)).count();
    let characters = json!({"guarded": found.characters, "total": total});
    let coverage = match images {
        0 => json!({"textCharacters": characters}),
        images => json!({"textCharacters": characters, "images": {"guarded": 0, "total": images}}),
    };
    let units = TextUnits::of(found.characters, side);
    let response = json!({
        "usage": units.shape(),
        "action": if blocks || masks { "GUARDRAIL_INTERVENED" } else { "NONE" },
        "actionReason": reason(blocks, masks),
        "outputs": outputs,
        "assessments": [guardrail.shape(&found, side)],
        "guardrailCoverage": coverage,
    });
    Ok((response, units))
}
