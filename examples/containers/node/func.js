// Greets whoever is named in the body: {"name": "Ada"}.

const fdk = require('@fnproject/fdk')

fdk.handle((input) => {
  const name = (input && input.name) || 'World'
  console.log('greeting', name)
  return { message: `Hello ${name}` }
})
