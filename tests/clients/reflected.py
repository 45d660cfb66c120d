"""A gRPC client that knows nothing but server reflection; JSON in, JSON out."""

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "bedrock.inference.v1.Inference"
LARGEST = [("grpc.max_receive_message_length", 64 << 20)]


class Reflected:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=LARGEST)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)
        self.methods = self.pool.FindServiceByName(SERVICE).methods_by_name

    def request(self, method, body):
        """The message of a proto3 JSON body; members that the service does not know are refused."""
        kind = message_factory.GetMessageClass(self.methods[method].input_type)
        return json_format.ParseDict(body, kind())

    def reply_class(self, method):
        return message_factory.GetMessageClass(self.methods[method].output_type)

    def converse(self, body, **more):
        return to_json(self.call("Converse", self.channel.unary_unary)(self.request("Converse", body), **more))

    def converse_stream(self, body, **more):
        call = self.call("ConverseStream", self.channel.unary_stream)
        return [to_json(message) for message in call(self.request("ConverseStream", body), **more)]

    def call(self, method, kind):
        return kind(
            f"/{SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.reply_class(method).FromString,
        )


def to_json(message):
    return json_format.MessageToDict(message)
