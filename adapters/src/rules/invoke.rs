//! What InvokeModel refuses of what stands beside a native body.

use super::findings::Findings;
use crate::contract::{Capability, InvokeHeaders, Mode, Model};

pub(super) fn check(model: &Model, headers: &InvokeHeaders, mode: Mode, findings: &mut Findings) {
    if !model.may(Capability::Invoke) {
        findings.of_model("modelId", "names a model that InvokeModel does not take; use Converse");
    } else if mode == Mode::Stream && !model.may(Capability::Streaming) {
        findings.of_model("modelId", "names a model that does not stream; use InvokeModel");
    }
    let set = |member: &Option<String>| member.as_ref().is_some_and(|member| !member.is_empty());
    if !set(&headers.guardrail_identifier) {
        return;
    }
    if !set(&headers.guardrail_version) {
        let description = "is not set beside guardrailIdentifier; AWS requires both";
        findings.of_service("guardrailVersion", description);
    }
    let json = |kind: &String| kind.to_ascii_lowercase().starts_with("application/json");
    if !headers.content_type.as_ref().is_none_or(json) {
        findings.of_service("contentType", "is not application/json, which a guardrail needs");
    }
}
