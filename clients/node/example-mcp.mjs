// A tool of an MCP server (@modelcontextprotocol/sdk) that acts only on a receipt. Over Streamable HTTP the head of
// the request is in `extra`; it is the gateway that puts the header there.
import { fromHeader, verifyReceipt } from './receipt.mjs';

const seen = new Set(); // of one process; several share a store: {claim(name, expires)}

/** server.registerTool(name, config, confirmed(name, options, handler)) */
export function confirmed(name, options, handler) {
  return async (args, extra) => {
    try {
      const header = extra.requestInfo?.headers['vestibule-receipt'];
      const receipt = await verifyReceipt(fromHeader(header), { seen, maxAge: 1800, ...options, tool: name, arguments: args });
      return await handler(args, { ...extra, receipt });
    } catch (e) {
      if (e?.name !== 'ReceiptError') throw e;
      return { isError: true, content: [{ type: 'text', text: `Nobody has confirmed this call (${e.code}).` }] };
    }
  };
}
