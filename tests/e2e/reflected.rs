//! A JSON-to-gRPC client that knows nothing but server reflection.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use prost_types::FileDescriptorProto;
use serde_json::{Map, Value, json};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const SERVICE: &str = "bedrock.inference.v1.Inference";

/// The service as reflection tells of it. JSON is proto3 JSON, and members it does not know are refused.
pub(crate) struct Reflected {
    grpc: Grpc<Channel>,
    pool: DescriptorPool,
}

impl Reflected {
    /// Asks the service for its own description, file by file.
    pub(crate) async fn meet(channel: Channel) -> Self {
        let mut files = Vec::new();
        let mut asked = BTreeSet::new();
        let mut wanted = vec![MessageRequest::FileContainingSymbol(SERVICE.to_owned())];
        while let Some(request) = wanted.pop() {
            for file in ask(channel.clone(), request).await {
                for name in file.dependency.iter().filter(|name| asked.insert((*name).clone())) {
                    wanted.push(MessageRequest::FileByFilename(name.clone()));
                }
                files.push(file);
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files).unwrap();
        Self { grpc: Grpc::new(channel).max_decoding_message_size(64 << 20), pool }
    }

    /// Calls Converse with a request that is proto3 JSON.
    pub(crate) async fn converse(&self, body: &str) -> Result<Value, Status> {
        self.converse_with(body, None).await
    }

    /// Calls Converse with `x-bedrock-model-id` in the metadata.
    pub(crate) async fn converse_with(&self, body: &str, model: Option<&str>) -> Result<Value, Status> {
        let (request, codec) = self.prepare("Converse", body, model);
        let mut grpc = self.grpc.clone();
        grpc.ready().await.unwrap();
        let path = format!("/{SERVICE}/Converse").parse().unwrap();
        let reply: Response<DynamicMessage> = grpc.unary(request, path, codec).await?;
        Ok(to_json(reply.get_ref()))
    }

    /// Every message of ConverseStream, which must end OK.
    pub(crate) async fn stream(&self, body: &str) -> Result<Vec<Value>, Status> {
        self.stream_with(body, None).await
    }

    /// Every message of ConverseStream with `x-bedrock-model-id` in the metadata.
    pub(crate) async fn stream_with(&self, body: &str, model: Option<&str>) -> Result<Vec<Value>, Status> {
        let (request, codec) = self.prepare("ConverseStream", body, model);
        let mut grpc = self.grpc.clone();
        grpc.ready().await.unwrap();
        let path = format!("/{SERVICE}/ConverseStream").parse().unwrap();
        let mut stream = grpc.server_streaming(request, path, codec).await?.into_inner();
        let mut messages = Vec::new();
        while let Some(message) = stream.message().await? {
            messages.push(to_json(&message));
        }
        Ok(messages)
    }

    fn prepare(
        &self,
        method: &str,
        body: &str,
        model: Option<&str>,
    ) -> (Request<DynamicMessage>, DynamicCodec) {
        let service = self.pool.get_service_by_name(SERVICE).unwrap();
        let method = service.methods().find(|found| found.name() == method).unwrap();
        let mut json = serde_json::Deserializer::from_str(body);
        let message = DynamicMessage::deserialize(method.input(), &mut json).unwrap();
        json.end().unwrap();
        let mut request = Request::new(message);
        if let Some(model) = model {
            request.metadata_mut().insert("x-bedrock-model-id", model.parse().unwrap());
        }
        (request, DynamicCodec(method.output()))
    }
}

async fn ask(channel: Channel, request: MessageRequest) -> Vec<FileDescriptorProto> {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let replies = ServerReflectionClient::new(channel)
        .server_reflection_info(futures_util::stream::iter([request]))
        .await;
    let reply = replies.unwrap().into_inner().message().await.unwrap().unwrap();
    match reply.message_response.unwrap() {
        MessageResponse::FileDescriptorResponse(found) => {
            let files = found.file_descriptor_proto.into_iter();
            files.map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap()).collect()
        }
        other => panic!("reflection answered {other:?}"),
    }
}

fn to_json(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().stringify_64_bit_integers(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

/// JSON knows no difference between 1 and 1.0; serde_json does.
pub(crate) fn by_value(json: &Value) -> Value {
    match json {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= 9e15 => {
                json!(float as i64)
            }
            _ => json.clone(),
        },
        Value::Array(entries) => entries.iter().map(by_value).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), by_value(member))).collect())
        }
        other => other.clone(),
    }
}

/// Asserts that two JSON values are equal, and names the first place where they are not.
#[track_caller]
pub(crate) fn assert_same(found: &Value, expected: &Value, of: &str) {
    if let Some(place) = difference(&by_value(found), &by_value(expected), "$") {
        panic!("{of}: {place}");
    }
}

fn difference(found: &Value, expected: &Value, path: &str) -> Option<String> {
    let absent = Value::String("(absent)".to_owned());
    match (found, expected) {
        _ if found == expected => None,
        (Value::Object(one), Value::Object(other)) => one.keys().chain(other.keys()).find_map(|name| {
            let of = |members: &Map<String, Value>| members.get(name).unwrap_or(&absent).clone();
            difference(&of(one), &of(other), &format!("{path}.{name}"))
        }),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(at, (a, b))| difference(a, b, &format!("{path}[{at}]")))
        }
        _ => Some(format!("{path} is {found}, expected {expected}")),
    }
}

/// Messages whose types were learnt at run time.
struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(to).map_err(|error| Status::internal(error.to_string()))
    }
}

struct DynamicDecoder(MessageDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), from);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
