// A hello of Project Fn's Node.js FDK, which fails, dawdles and answers otherwise when it is asked to.

const fdk = require('@fnproject/fdk')

fdk.handle(async (input, ctx) => {
  const wanted = typeof input === 'object' && input !== null ? input : {}
  const name = wanted.name || 'World'
  console.log('greeting', name)
  console.error('printed for', name)
  await new Promise((done) => setTimeout(done, (wanted.sleep || 0) * 1000))
  if (wanted.fail) {
    throw new Error(wanted.fail)
  }
  const http = ctx.httpGateway
  http.setResponseHeader('X-Language', 'JavaScript')
  if (wanted.status) {
    http.statusCode = wanted.status
  }
  return {
    message: `Hello ${name}`,
    method: http.method,
    url: http.requestURL,
    header: http.getHeader('X-Header'),
    greeting: ctx.config.GREETING
  }
})
