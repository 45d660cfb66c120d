//! The form of the answer, and what is asked of it besides.

use bedrock_inference_proto::v1::ConverseStreamRequest;

use super::findings::Findings;
use crate::contract::{Model, Refused};

pub(super) fn check(model: &Model, request: &ConverseStreamRequest, findings: &mut Findings) {
    let format = request.output_config.as_ref().and_then(|config| config.text_format.as_ref());
    if format.is_some() && model.refuses(Refused::StructuredOutput) {
        findings.of_model("outputConfig.textFormat", "is set; the model takes no schema for its answer");
    }
    check_pointers(&request.additional_model_response_field_paths, findings);
}

/// Converse refuses what is no JSON Pointer. The empty one, and its length, are the service model's matter.
fn check_pointers(pointers: &[String], findings: &mut Findings) {
    for (at, pointer) in pointers.iter().enumerate() {
        let escaped = |at: usize| matches!(pointer.as_bytes().get(at + 1), Some(b'0' | b'1'));
        let good = pointer.starts_with('/') && pointer.match_indices('~').all(|(at, _)| escaped(at));
        if !pointer.is_empty() && !good {
            let path = format_args!("additionalModelResponseFieldPaths[{at}]");
            findings.of_service(path, "is no JSON Pointer, such as /stop_sequence");
        }
    }
}
